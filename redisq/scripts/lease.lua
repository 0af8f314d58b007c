#!lua flags=allow-oom
-- lease takes the ingest lease of a session.
--
-- Atomic because two holders must never both find it free, and because no
-- append of an older token may come between the new token and the record.
--
-- KEYS  1 session, 2 redelivery record, 3 store
-- ARGV  1 holder, 2 ttl in microseconds, 3 random bits
-- Returns {token, record, filters (as subscribe.lua stored them, '' for never)}
--       or {} when another holder has it

local now = clock()
local s = redis.call('HMGET', KEYS[1], 'token', 'holder', 'expires', 'filters')
if s[1] and s[2] ~= ARGV[1] and tonumber(s[3]) > now then
  return {}
end
local token = string.format('%d-%s', redis.call('HINCRBY', KEYS[3], 'tokens', 1), ARGV[3])
redis.call('HSET', KEYS[1], 'token', token, 'holder', ARGV[1], 'expires', now + tonumber(ARGV[2]), 'number', 0)
redis.call('HDEL', KEYS[1], 'receipt')
return {token, redis.call('GET', KEYS[2]) or '', s[4] or ''}
