#!lua flags=no-writes,allow-oom
-- clock reads the presence clock.
--
-- Atomic because an offset that changes between two reads would give a time that
-- never was.
--
-- KEYS  1 presence
-- Returns {presence time, offset}

local offset = tonumber(redis.call('HGET', KEYS[1], 'offset')) or 0
return {clock() - offset, offset}
