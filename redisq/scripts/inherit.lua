#!lua flags=allow-oom
-- inherit winds up a page of the clients of a front door's session that has ended, and
-- with the last page the session.
--
-- Atomic because the session's owner may wake up, and its clients may connect
-- elsewhere, between the look and the write.
--
-- KEYS  1 session, 2 the ended session, 3 its redelivery record, 4 doors, 5 attending,
--       6 store, 7 clients, 8 presence, 9 devices, 10 deadlines, 11 steady, 12-14 state,
--       open, sealed of the queue of events, 15-17 of devices
-- ARGV  1 token, 2 name of the ended session, 3 its token, 4 cursor ('' at first),
--       5 presence time, 6 grace in microseconds, 7 most devices (0: no limit),
--       8 prefix of batch keys, 9 hint channel, 10 name of the queue of events, 11 of
--       devices, 12-14 max, maxbytes, ids for events, 15-17 for devices
-- Returns {} when the token is not the current one, {'held'} when the session has not
--       ended, else {next cursor ('' when done), connections ended, wills applied,
--       receipts as keep returns them}

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return {}
end
local nothing = '0 0 0 0 0 0 0'
if redis.call('SISMEMBER', KEYS[4], ARGV[2]) == 0 then
  return {'', 0, 0, nothing}
end
local now, cursor = clock(), ARGV[4]
local ended = redis.call('HMGET', KEYS[2], 'token', 'expires')
if KEYS[1] == KEYS[2] or (ended[1] and (ended[1] ~= ARGV[3] or tonumber(ended[2]) > now or cursor ~= '')) then
  return {'held'}
end
if ended[1] then
  redis.call('HDEL', KEYS[2], 'token', 'holder')
end

local page = redis.call('HSCAN', KEYS[7], cursor == '' and '0' or cursor, 'COUNT', 1000)
local suffix, clients, devices = ' ' .. ARGV[2], {}, {}
for i = 1, #page[2], 2 do
  local record = page[2][i + 1]
  local c = string.sub(record, -#suffix) == suffix and client(record)
  if c and c.session == ARGV[2] then
    c.name = page[2][i]
    clients[#clients + 1] = c
    devices[#devices + 1] = c.device
  end
end

local at, grace = tonumber(ARGV[5]), tonumber(ARGV[6])
local f, places = fleet(KEYS[8], KEYS[9], KEYS[10], KEYS[11]), room(KEYS[9], ARGV[7])
fetch(f, devices)
local wills, open, fields = 0, 0, {}
for _, c in ipairs(clients) do
  local d = f.known[c.device]
  if c.will == 'w' then
    if not d and places > 0 then
      d, places = add(f, c.device), places - 1
    end
    if d then
      orphan(f, d, at, at + math.max(c.delay, grace))
    end
    wills = wills + 1
  elseif d then
    await(d, at, at + grace)
  end
  if c.expires == 0 or c.will == 'w' then
    open = open + (c.expires == 0 and 1 or 0)
    end_client(c, now)
    fields[#fields + 1], fields[#fields + 2] = c.name, client_record(c)
  end
end
for from = 1, #fields, 2000 do
  redis.call('HSET', KEYS[7], unpack(fields, from, math.min(from + 1999, #fields)))
end
local receipt, size = keep(f, {
  events = ARGV[10], devices = ARGV[11], k = 12, a = 12, now = now, batches = ARGV[8], channel = ARGV[9],
})
if size > 0 then
  redis.call('HINCRBY', KEYS[6], 'bytes', size)
end
if page[1] ~= '0' then
  return {page[1], open, wills, receipt}
end
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('SREM', KEYS[4], ARGV[2])
redis.call('SREM', KEYS[5], ARGV[2])
return {'', open, wills, receipt}
