#!lua flags=allow-oom
-- mute_device sets until when no report of a device is wanted.
--
-- Atomic because the device may change between the look and the write.
--
-- KEYS  1 presence, 2 devices, 3 deadlines, 4 steady, 5 store,
--       6-8 state, open, sealed of the queue of events, 9-11 of devices
-- ARGV  1 name, 2 prefix of batch keys, 3 hint channel, 4 name of the queue of
--       events, 5 of devices, 6-8 max, maxbytes, ids for events, 9-11 for
--       devices, 12 how long in microseconds, 0 to end it
-- Returns the store time until which it is muted (0: not), or -1 when the device
--       is not known

local f, now, long = fleet(KEYS[1], KEYS[2], KEYS[3], KEYS[4]), clock(), tonumber(ARGV[12])
fetch(f, {ARGV[1]})
local d = f.known[ARGV[1]]
if not d then
  return -1
end
d.muted = long > 0 and now + long or 0
touch(d, now - f.offset)
local _, size = keep(f, {
  events = ARGV[4], devices = ARGV[5], k = 6, a = 6, now = now, batches = ARGV[2], channel = ARGV[3],
})
redis.call('HINCRBY', KEYS[5], 'bytes', size)
return d.muted
