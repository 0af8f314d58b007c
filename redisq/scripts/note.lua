#!lua flags=allow-oom
-- note stores what a handler wants the next claims of its queue to know.
--
-- Atomic because the claim may be taken over between the look and the write.
--
-- KEYS  1 state, 2 taken
-- ARGV  1 batch id, 2 token, 3 note
-- Returns 1, or 0 when the claim has ended

if not claimed(KEYS[2], ARGV[1], ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[1], 'note', ARGV[3])
return 1
