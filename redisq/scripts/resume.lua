#!lua flags=allow-oom
-- resume makes every batch of a queue that is in retry due now.
--
-- Atomic because a batch may be claimed between the look and the write.
--
-- KEYS  1 taken
-- ARGV  1 hint channel, 2 queue
-- Returns how many batches are in retry

local now, raw, n = clock(), redis.call('HGETALL', KEYS[1]), 0
for i = 1, #raw, 2 do
  local t = parse(raw[i], raw[i + 1])
  if t.state == 'r' then
    t.at, n = math.min(t.at, now), n + 1
    redis.call('HSET', KEYS[1], t.id, line(t))
  end
end
redis.call('PUBLISH', ARGV[1], ARGV[2])
return n
