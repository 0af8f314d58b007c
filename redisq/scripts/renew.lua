#!lua flags=allow-oom
-- renew extends the ingest lease by ttl from now.
--
-- Atomic because another holder may take it between the look and the write.
--
-- KEYS  1 session
-- ARGV  1 token, 2 ttl in microseconds
-- Returns 1, or 0 when the token is not the current one

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'expires', clock() + tonumber(ARGV[2]))
return 1
