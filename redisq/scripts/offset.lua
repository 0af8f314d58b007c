#!lua flags=allow-oom
-- offset corrects the presence clock after the store's clock has jumped.
--
-- Atomic because every router notices the jump, and one correction is enough.
--
-- KEYS  1 presence
-- ARGV  1 offset before, 2 after
-- Returns 1, or 0 when the offset is another

local offset = tonumber(redis.call('HGET', KEYS[1], 'offset')) or 0
if offset ~= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'offset', ARGV[2])
return 1
