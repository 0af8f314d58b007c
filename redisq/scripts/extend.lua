#!lua flags=allow-oom
-- extend prolongs a claim by ttl from now.
--
-- Atomic because the claim may be taken over between the look and the write.
--
-- KEYS  1 taken
-- ARGV  1 batch id, 2 token, 3 ttl in microseconds
-- Returns 1, or 0 when the claim has ended

local t = claimed(KEYS[1], ARGV[1], ARGV[2])
if not t then
  return 0
end
t.at = clock() + tonumber(ARGV[3])
redis.call('HSET', KEYS[1], t.id, line(t))
return 1
