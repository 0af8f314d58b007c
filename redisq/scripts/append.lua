-- append stores one group of an ingest session: fence, messages of all queues,
-- dead letters, drops, redelivery record and receipt.
--
-- Atomic because a message must be neither stored without its redelivery record
-- nor under a lease that another holder has taken meanwhile, and because a
-- repeat of the group must find either everything or nothing.
--
-- This script alone may be refused for lack of memory, so it carries no flag.
-- Redis has no rollback: the refusal comes at the first write, and everything
-- that this script itself refuses is checked before that.
--
-- KEYS  1 session, 2 redelivery record, 3 store,
--       then state, open, sealed of each part's queue,
--       then, if there is a dead letter, the same of the dead letter queue,
--       then the state of each further queue that is only counted in.
-- ARGV  1 lease token, 2 group number, 3 store's limit in bytes or -1,
--       4 size in bytes of everything in the group, 5 how many deliveries to
--       remember, 6 this group's deliveries (10 bytes each), 7 prefix of batch
--       keys, 8 hint channel, 9 name of the dead letter queue,
--       10 number of parts, 11 of counters, 12 of dead letters, 13 how long ago
--       the first message was received, in microseconds,
--       then 7 per part: queue, data, count, payload bytes, max, maxbytes, ids,
--       then 3 per counter: index in KEYS of the account, field, amount,
--       then, if there is a dead letter, what bury takes.
-- Returns {'ok', receipt}, {'repeated', receipt}, {'fenced'}, {'gap', last
--       number} or {'full', bytes stored}. A receipt is three numbers per part
--       and three for the dead letter queue: batches sealed, messages open, age
--       of the first in microseconds.

local session = redis.call('HMGET', KEYS[1], 'token', 'number', 'receipt')
if session[1] ~= ARGV[1] then
  return {'fenced'}
end
local number, last = tonumber(ARGV[2]), tonumber(session[2])
if number == last then
  return {'repeated', session[3]}
end
if number ~= last + 1 then
  return {'gap', session[2]}
end
local limit, size = tonumber(ARGV[3]), tonumber(ARGV[4])
if limit >= 0 and size > 0 then
  local stored = tonumber(redis.call('HGET', KEYS[3], 'bytes')) or 0
  if stored + size > limit then
    return {'full', stored}
  end
end

local now, batches, channel = clock(), ARGV[7], ARGV[8]
local parts, counters, letters = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local received = now - tonumber(ARGV[13])
local receipt, pushed, a = {}, 0, 14

local function finish(q, name)
  save(q)
  receipt[#receipt + 1] = string.format('%d %d %d', q.done, q.count, age(q, now))
  if q.done > 0 then
    redis.call('PUBLISH', channel, name)
  end
end

for p = 1, parts do
  local k = 1 + 3 * p
  local q = load(KEYS[k], KEYS[k + 1], KEYS[k + 2])
  local data = ARGV[a + 1]
  push(q, received, {
    data = data, count = tonumber(ARGV[a + 2]), bytes = tonumber(ARGV[a + 3]),
    max = tonumber(ARGV[a + 4]), maxbytes = tonumber(ARGV[a + 5]), ids = ARGV[a + 6], batches = batches,
  })
  finish(q, ARGV[a])
  pushed, a = pushed + #data, a + 7
end

for c = 1, counters do
  redis.call('HINCRBY', KEYS[tonumber(ARGV[a])], ARGV[a + 1], ARGV[a + 2])
  a = a + 3
end

if letters > 0 then
  local k = 4 + 3 * parts
  local q = load(KEYS[k], KEYS[k + 1], KEYS[k + 2])
  pushed = pushed + bury(q, now, batches, a, letters)
  finish(q, ARGV[9])
else
  receipt[#receipt + 1] = '0 0 0'
end

if #ARGV[6] > 0 then
  local keep = 10 * tonumber(ARGV[5])
  if redis.call('APPEND', KEYS[2], ARGV[6]) > 2 * keep then -- seldom: it copies
    redis.call('SET', KEYS[2], keep > 0 and redis.call('GETRANGE', KEYS[2], -keep, -1) or '')
  end
end
if pushed > 0 then
  redis.call('HINCRBY', KEYS[3], 'bytes', pushed)
end
local text = table.concat(receipt, ' ')
redis.call('HSET', KEYS[1], 'number', number, 'receipt', text)
return {'ok', text}
