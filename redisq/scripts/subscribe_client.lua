#!lua flags=allow-oom
-- subscribe_client records what a client is subscribed to.
--
-- Atomic because the client may connect elsewhere between the look and the write.
--
-- KEYS  1 session, 2 clients, 3 subscriptions
-- ARGV  1 token, 2 client, 3 connection, 4 subscriptions
-- Returns {} when the token is not the current one, {0} when the connection is not the
--       newest or has ended, {1}

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return {}
end
local record = redis.call('HGET', KEYS[2], ARGV[2])
if not newest(record, ARGV[3]) or client(record).expires > 0 then
  return {0}
end
redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
return {1}
