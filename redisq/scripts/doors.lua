#!lua flags=no-writes,allow-oom
-- doors lists the sessions of front doors.
--
-- Atomic because the time belongs to the leases that are compared with it.
--
-- KEYS  1 doors
-- ARGV  1 prefix of sessions
-- Returns {time, then per session: name, token ('' for none), time at which the lease
--       expires}

local reply = {clock()}
for _, name in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local s = redis.call('HMGET', ARGV[1] .. name, 'token', 'expires')
  reply[#reply + 1] = name
  reply[#reply + 1] = s[1] or ''
  reply[#reply + 1] = tonumber(s[2]) or 0
end
return reply
