#!lua flags=allow-oom
-- attend makes a session one that feeds presence.
--
-- Atomic because another holder may take the lease between the look and the
-- write.
--
-- KEYS  1 session, 2 attending, 3 presence
-- ARGV  1 token, 2 name of the session, 3 a presence time at which the broker was
--       known to run, or 0
-- Returns {} when the token is not the current one, else {caught_up, the highest
--       such time}, each 0 for none

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return {}
end
redis.call('SADD', KEYS[2], ARGV[2])
local seen, told = tonumber(redis.call('HGET', KEYS[3], 'broker_seen')) or 0, tonumber(ARGV[3])
if told > seen then
  redis.call('HSET', KEYS[3], 'broker_seen', ARGV[3])
  seen = told
end
return {tonumber(redis.call('HGET', KEYS[1], 'caught_up')) or 0, seen}
