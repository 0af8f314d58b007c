#!lua flags=allow-oom
-- unlease gives the ingest lease up. The session stays, so that the next lease
-- is not its first.
--
-- Atomic because another holder may take it between the look and the write.
--
-- KEYS  1 session
-- ARGV  1 token
-- Returns 1, or 0 when the token was not the current one

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
redis.call('HDEL', KEYS[1], 'token', 'holder')
redis.call('HSET', KEYS[1], 'expires', clock()) -- that of a front door is held until it is inherited
return 1
