#!lua flags=allow-oom
-- forget clears the redelivery record of a session.
--
-- Atomic because another holder may take the lease between the look and the
-- removal, and must find its record.
--
-- KEYS  1 session, 2 redelivery record
-- ARGV  1 token
-- Returns 1, or 0 when the token is not the current one

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[2])
return 1
