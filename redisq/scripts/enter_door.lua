#!lua flags=allow-oom
-- enter_door makes a session one of a front door.
--
-- Atomic because another holder may take the lease between the look and the write.
--
-- KEYS  1 session, 2 doors
-- ARGV  1 token, 2 name of the session
-- Returns 1, or 0 when the token is not the current one

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'door', 1)
redis.call('SADD', KEYS[2], ARGV[2])
return 1
