#!lua flags=allow-oom
-- unheard notes until when devices could not be heard of.
--
-- Atomic because the lease may be taken over between the look and the write, and
-- because the time only grows.
--
-- KEYS  1 session, 2 presence
-- ARGV  1 token, 2 presence time
-- Returns 1, or 0 when the token is not the current one

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
if tonumber(ARGV[2]) > (tonumber(redis.call('HGET', KEYS[2], 'unheard')) or 0) then
  redis.call('HSET', KEYS[2], 'unheard', ARGV[2])
end
return 1
