#!lua flags=allow-oom
-- subscribe records what the broker's session is subscribed to.
--
-- Atomic because another holder may take the lease between the look and the
-- write, and must not find the filters of this one.
--
-- KEYS  1 session
-- ARGV  1 token, 2 filters, a JSON array
-- Returns 1, or 0 when the token is not the current one

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'filters', ARGV[2])
return 1
