#!lua flags=allow-oom
-- connect registers the connection of a client of a front door in place of its older
-- one.
--
-- Atomic because of two replicas to which a client connects one must come first, and
-- because an unfinished will must be dealt with once.
--
-- KEYS  1 session, 2 store, 3 clients, 4 subscriptions, 5 presence, 6 devices,
--       7 deadlines, 8 steady, 9-11 state, open, sealed of the queue of events, 12-14 of
--       devices
-- ARGV  1 token, 2 name of the session, 3 client, 4 '1' for a clean start, 5 how long
--       the session outlives the connection, 6 device of the will or '-', 7 its delay,
--       8 presence time, 9 grace, 10 most clients, 11 most devices (0: no limit),
--       12 prefix of batch keys, 13 hint channel, 14 channel of front doors, 15 name of
--       the queue of events, 16 of devices, 17-19 max, maxbytes, ids for events, 20-22
--       for devices, 23 prefix of redelivery records; durations in microseconds
-- Returns {} when the token is not the current one, {'limit'}, or {'ok', connection,
--       '1' when the session goes on, session that had the open older connection or '',
--       subscriptions, deliveries}

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return {}
end
local name, device, at, most = ARGV[3], ARGV[6], tonumber(ARGV[8]), tonumber(ARGV[10])
local record = redis.call('HGET', KEYS[3], name)
if not record and most > 0 and redis.call('HLEN', KEYS[3]) >= most then
  return {'limit'}
end
local now, old = clock(), record and client(record)
local open = old and old.expires == 0
local resumed = old and ARGV[4] ~= '1' and (old.expires > now or (open and old.keep > 0))

-- The devices of both wills: one that is left behind has the grace to be heard of, one
-- that is here and suspect as well.
local before = old and old.device ~= '-' and old.device
local left = before and old.will == 'w' and not resumed and before ~= device
if before or device ~= '-' then
  local f, grace = fleet(KEYS[5], KEYS[6], KEYS[7], KEYS[8]), tonumber(ARGV[9])
  fetch(f, {before or device, device})
  if left and (f.known[before] or room(KEYS[6], ARGV[11]) > 0) then
    orphan(f, f.known[before] or add(f, before), at, at + math.max(old.delay, grace))
  end
  for _, d in pairs(f.known) do
    await(d, at, at + grace)
  end
  local _, size = keep(f, {
    events = ARGV[15], devices = ARGV[16], k = 9, a = 17, now = now, batches = ARGV[12], channel = ARGV[13],
  })
  if size > 0 then
    redis.call('HINCRBY', KEYS[2], 'bytes', size)
  end
end

local fresh = {
  connection = string.format('%d', redis.call('HINCRBY', KEYS[2], 'connections', 1)), connected = now, expires = 0,
  keep = tonumber(ARGV[5]), will = device == '-' and 'n' or 'w', delay = tonumber(ARGV[7]), device = device,
  session = ARGV[2],
}
fresh.since = resumed and old.since or fresh.connection
redis.call('HSET', KEYS[3], name, client_record(fresh))
local previous = open and old.session or ''
if previous ~= '' and previous ~= ARGV[2] then
  redis.call('PUBLISH', ARGV[14], 't' .. fresh.connection .. ' ' .. name)
end
if resumed then
  return {
    'ok', fresh.connection, '1', previous, redis.call('HGET', KEYS[4], name) or '',
    redis.call('GETRANGE', ARGV[23] .. old.since, -DELIVERED, -1),
  }
end
if old then
  redis.call('DEL', ARGV[23] .. old.since)
  redis.call('HDEL', KEYS[4], name)
end
return {'ok', fresh.connection, '0', previous, '', ''}
