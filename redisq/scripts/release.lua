#!lua flags=allow-oom
-- release puts a claimed batch into retry, and halts its queue if asked to.
--
-- Atomic because the claim may be taken over between the look and the write.
--
-- KEYS  1 state, 2 taken
-- ARGV  1 batch id, 2 token, 3 microseconds until the retry, 4 '1' to halt,
--       5 reason, 6 hint channel, 7 queue
-- Returns 1, or 0 when the claim has ended

local t = claimed(KEYS[2], ARGV[1], ARGV[2])
if not t then
  return 0
end
local now = clock()
t.state, t.at, t.token = 'r', now + tonumber(ARGV[3]), '-'
redis.call('HSET', KEYS[2], t.id, line(t))
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[1], 'halted', ARGV[5])
  redis.call('HSETNX', KEYS[1], 'halted_since', now)
end
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
