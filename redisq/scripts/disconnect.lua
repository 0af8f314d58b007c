#!lua flags=allow-oom
-- disconnect ends the connection of a client.
--
-- Atomic because the client may connect elsewhere between the look and the write.
--
-- KEYS  1 session, 2 clients
-- ARGV  1 token, 2 client, 3 connection, 4 how long its session lasts, in microseconds,
--       5 '1' when its will stays
-- Returns {} when the token is not the current one, {0} when the connection is not the
--       newest, {1}

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return {}
end
local record = redis.call('HGET', KEYS[2], ARGV[2])
if not newest(record, ARGV[3]) then
  return {0}
end
local c = client(record)
if c.expires == 0 then
  c.keep = tonumber(ARGV[4])
  c.expires = clock() + c.keep
end
if ARGV[5] ~= '1' and c.will == 'w' then
  withdraw(c)
end
redis.call('HSET', KEYS[2], ARGV[2], client_record(c))
return {1}
