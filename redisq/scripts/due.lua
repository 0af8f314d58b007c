#!lua flags=allow-oom
-- due takes down the devices whose deadline has passed, and ends the flapping of
-- those that have been steady; or gives those more time that could not be heard of.
--
-- Atomic because a device must be down and its outage enqueued in one step, once,
-- whatever the replicas do, and because no message may come between the look at
-- a deadline and the fall.
--
-- KEYS  1 session, 2 presence, 3 devices, 4 deadlines, 5 steady, 6 attending,
--       7 store, 8-10 state, open, sealed of the queue of events, 11-13 of devices
-- ARGV  1 token, 2 presence time now, 3 most devices, 4 '1' when outages enter the
--       queue of events, 5 prefix of sessions, 6 prefix of batch keys, 7 hint
--       channel, 8 name of the queue of events, 9 of devices, 10 storm window in
--       microseconds, 11-13 max, maxbytes, ids for events, 14-16 for devices,
--       17 how long an expired session of a front door counts as live
-- Returns {} when the token is not the current one, else {devices that fell, that
--       are steady, presence time until which a storm gathers, caught up,
--       receipts as keep returns them, devices that were given time}

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return {}
end
local clocked, now, most, window = clock(), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[10])

-- The least caught_up of the live sessions; 0 when one has none.
local caught
for _, name in ipairs(redis.call('SMEMBERS', KEYS[6])) do
  local s = redis.call('HMGET', ARGV[5] .. name, 'token', 'expires', 'caught_up', 'door')
  if not s[1] and not s[4] then
    redis.call('SREM', KEYS[6], name)
  elseif tonumber(s[2]) + (s[4] and tonumber(ARGV[17]) or 0) > clocked then
    caught = math.min(caught or math.huge, tonumber(s[3]) or 0)
  end
end
caught = caught or 0
local judged = math.min(caught, now) -- a router whose clock is behind waits for it

local f = fleet(KEYS[2], KEYS[3], KEYS[4], KEYS[5])

local function finish(fell, steadied, wait, excused)
  local receipt, size = keep(f, {
    events = ARGV[8], devices = ARGV[9], reports = ARGV[4] == '1', k = 8, a = 11,
    now = clocked, batches = ARGV[6], channel = ARGV[7],
  })
  if size > 0 then
    redis.call('HINCRBY', KEYS[7], 'bytes', size)
  end
  return {fell, steadied, wait, caught, receipt, excused}
end

local function passed()
  if judged <= 0 then
    return {}
  end
  return redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', string.format('%d', judged), 'LIMIT', 0, most)
end

-- Silence is no outage while nobody could be heard of.
local unheard = tonumber(redis.call('HGET', KEYS[2], 'unheard'))
if unheard then
  local names, excused = passed(), 0
  fetch(f, names)
  for _, name in ipairs(names) do
    if hearken(f.known[name], unheard) then
      excused = excused + 1
    end
  end
  if excused > 0 then
    return finish(0, 0, 0, excused)
  end
end

-- A storm is taken at once, up to storm_until, once its last deadline has passed
-- and everything sent before that has been applied.
local wait, first = 0, tonumber(redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')[2])
if first and first <= judged and first > (tonumber(redis.call('HGET', KEYS[2], 'storm_until')) or 0) then
  local till = string.format('%d', first + window)
  local n = redis.call('ZCOUNT', KEYS[4], '-inf', till)
  if n >= 10 and 2 * n > f.up + f.suspect then
    local last = tonumber(redis.call('ZREVRANGEBYSCORE', KEYS[4], till, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2])
    if judged < last then
      wait = last
    else
      redis.call('HSET', KEYS[2], 'storm_until', string.format('%d', last))
    end
  end
end

local names = wait == 0 and passed() or {}
local steady = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', string.format('%d', judged), 'LIMIT', 0, most)
fetch(f, names)
fetch(f, steady)
local steadied = 0
local function steadyby(d, at)
  if d.steady > 0 and d.steady <= at then
    besteady(f, d)
    steadied = steadied + 1
  end
end
for _, name in ipairs(names) do
  local d = f.known[name]
  steadyby(d, d.deadline) -- it was steady before it fell
  fall(f, d)
end
for _, name in ipairs(steady) do
  steadyby(f.known[name], judged) -- unless it fell just now
end
return finish(#names, steadied, wait, 0)
