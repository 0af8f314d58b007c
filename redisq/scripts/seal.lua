#!lua flags=allow-oom
-- seal seals the open batch of a queue if its age demands it.
--
-- Atomic because a message appended between the look and the move would be
-- sealed unseen.
--
-- KEYS  1 state, 2 open, 3 sealed
-- ARGV  1 min, 2 timeout, 3 linger (microseconds; below 0 means never),
--       4 batch id, 5 prefix of batch keys, 6 hint channel, 7 queue
-- Returns {sealed (1 or 0), messages open, age of the first in microseconds}

local min, timeout, linger = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local q, now = load(KEYS[1], KEYS[2], KEYS[3]), clock()
local old = age(q, now)
local timed = timeout > 0 and min > 0 and q.count >= min and old >= timeout
if q.count == 0 or not (timed or (linger > 0 and old >= linger)) then
  return {0, q.count, old}
end
seal(q, ARGV[5], ARGV[4])
save(q)
redis.call('PUBLISH', ARGV[6], ARGV[7])
return {1, 0, 0}
