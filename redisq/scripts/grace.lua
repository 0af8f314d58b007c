#!lua flags=allow-oom
-- grace gives some devices time to be heard of: after a restart of the broker, of
-- which it tells at the first call, or after a loss of the session.
--
-- Atomic because a device may come back between the look and the write.
--
-- KEYS  1 session, 2 presence, 3 devices, 4 deadlines, 5 steady, 6 store,
--       7-9 state, open, sealed of the queue of events, 10-12 of devices
-- ARGV  1 token, 2 cursor ('' at first), 3 presence times: now, 4 until, 5 since,
--       6 start of the broker, 7 '1' when the restart enters the queue of events,
--       8 prefix of batch keys, 9 hint channel, 10 name of the queue of events,
--       11 of devices, 12-14 max, maxbytes, ids for events, 15-17 for devices,
--       18 '1' when the session was lost and the broker not restarted
-- Returns {} when the token is not the current one, else {next cursor ('' when
--       done), receipts as keep returns them}

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return {}
end
local now, till, since, started = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local f, cursor, lost = fleet(KEYS[2], KEYS[3], KEYS[4], KEYS[5]), ARGV[2], ARGV[18] == '1'
local give = lost and pardon or grace
if cursor == '' then
  cursor = '0'
  if till > f.grace and not lost then -- else it is a repeat
    redis.call('HSET', KEYS[2], 'grace_until', string.format('%d', till))
    local broker = unknown('')
    broker.down, broker.version = started + f.offset, now
    tell(f, 'restart', broker, now + f.offset, {report = true})
  end
end
local page = redis.call('HSCAN', KEYS[3], cursor, 'COUNT', 1000)
for i = 1, #page[2], 2 do
  local name = page[2][i]
  f.known[name] = device(name, page[2][i + 1])
  f.order[#f.order + 1] = name
  give(f, f.known[name], now, till, since + f.offset)
end
local receipt, size = keep(f, {
  events = ARGV[10], devices = ARGV[11], reports = ARGV[7] == '1', k = 7, a = 12,
  now = clock(), batches = ARGV[8], channel = ARGV[9],
})
if size > 0 then
  redis.call('HINCRBY', KEYS[6], 'bytes', size)
end
return {page[1] == '0' and '' or page[1], receipt}
