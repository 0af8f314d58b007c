#!lua flags=allow-oom
-- forget_device removes a device.
--
-- Atomic because it may change between the look and the removal.
--
-- KEYS  1 presence, 2 devices, 3 deadlines, 4 steady, 5 store,
--       6-8 state, open, sealed of the queue of events, 9-11 of devices
-- ARGV  1 name, 2 prefix of batch keys, 3 hint channel, 4 name of the queue of
--       events, 5 of devices, 6-8 max, maxbytes, ids for events, 9-11 for devices
-- Returns 1, or 0 when it is not known

local f, now = fleet(KEYS[1], KEYS[2], KEYS[3], KEYS[4]), clock()
fetch(f, {ARGV[1]})
local d = f.known[ARGV[1]]
if not d then
  return 0
end
redis.call('HDEL', KEYS[2], d.name)
redis.call('ZREM', KEYS[3], d.name)
redis.call('ZREM', KEYS[4], d.name)
f[STATES[d.state]] = f[STATES[d.state]] - 1
d.version = math.max(d.version + 1, now - f.offset)
tell(f, 'forgotten', d, now, {})
local _, size = keep(f, {
  events = ARGV[4], devices = ARGV[5], k = 6, a = 6, now = now, batches = ARGV[2], channel = ARGV[3],
})
redis.call('HINCRBY', KEYS[5], 'bytes', size)
return 1
