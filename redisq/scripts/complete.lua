#!lua flags=allow-oom
-- complete removes a claimed batch and books what became of its messages.
--
-- Atomic because the account must balance at every moment, and because a batch
-- that is gone must have its dead letters kept.
--
-- KEYS  1 state, 2 sealed, 3 taken, 4 batch, 5 store,
--       6 state, 7 open, 8 sealed of the dead letter queue,
--       then the same of each queue that is forwarded to
-- ARGV  1 batch id, 2 token, 3 prefix of batch keys, 4 hint channel, 5 queue,
--       6 name of the dead letter queue, 7 number of counters, 8 of dead letters,
--       9 of queues forwarded to,
--       then 2 per counter: field, amount,
--       then 7 per queue forwarded to: queue, data, count, payload bytes, max,
--       maxbytes, ids,
--       then, if there is a dead letter, what bury takes.
-- Returns 1, or 0 when the claim has ended

local t = claimed(KEYS[3], ARGV[1], ARGV[2])
if not t then
  return 0
end
local now, batches, channel = clock(), ARGV[3], ARGV[4]
local counters, letters, forwards, a = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), 10
local size, kept = tonumber(string.match(t.rest, '^%d+ %d+ %d+ (%d+)')), 0

redis.call('HDEL', KEYS[3], t.id)
redis.call('UNLINK', KEYS[4])
redis.call('HDEL', KEYS[1], 'halted', 'halted_since')
for c = 1, counters do
  redis.call('HINCRBY', KEYS[1], ARGV[a], ARGV[a + 1])
  a = a + 2
end

for i = 1, forwards do
  local k = 6 + 3 * i
  local q, data = load(KEYS[k], KEYS[k + 1], KEYS[k + 2]), ARGV[a + 1]
  push(q, now, {
    data = data, count = tonumber(ARGV[a + 2]), bytes = tonumber(ARGV[a + 3]),
    max = tonumber(ARGV[a + 4]), maxbytes = tonumber(ARGV[a + 5]), ids = ARGV[a + 6], batches = batches,
  })
  save(q)
  if q.done > 0 then
    redis.call('PUBLISH', channel, ARGV[a])
  end
  kept, a = kept + #data, a + 7
end

if letters > 0 then
  local q = load(KEYS[6], KEYS[7], KEYS[8])
  kept = kept + bury(q, now, batches, a, letters)
  save(q)
  if q.done > 0 then
    redis.call('PUBLISH', channel, ARGV[6])
  end
end
redis.call('HINCRBY', KEYS[5], 'bytes', kept - size)

if redis.call('EXISTS', KEYS[2], KEYS[3]) > 0 then -- more behind it
  redis.call('PUBLISH', channel, ARGV[5])
end
return 1
