-- append stores one group of an ingest session: fence, messages of all queues,
-- dead letters, drops, moves of devices, redelivery record and receipt.
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
--       then the state of each further queue that is only counted in,
--       then, if there are moves, presence, devices, deadlines, steady, and state,
--       open, sealed of the queue of events and of that of devices,
--       then, if there are clients or wills of clients, clients.
-- ARGV  1 lease token, 2 group number, 3 store's limit in bytes or -1,
--       4 size in bytes of everything in the group, 5 how many deliveries to
--       remember, 6 this group's deliveries (10 bytes each), 7 prefix of batch
--       keys, 8 hint channel, 9 name of the dead letter queue,
--       10 number of parts, 11 of counters, 12 of dead letters, 13 how long ago
--       the first message was received, in microseconds, 14 number of moves,
--       15 presence time up to which the session is caught up, or 0,
--       16 number of clients, 17 of wills of clients,
--       then 7 per part: queue, data, count, payload bytes, max, maxbytes, ids,
--       then 3 per counter: index in KEYS of the account, field, amount,
--       then, if there is a dead letter, what bury takes,
--       then, if there are moves, most devices (0: no limit), '1' when recoveries
--       enter the queue of events, its name, that of the queue of devices, max,
--       maxbytes and ids for events, the same for devices, index in KEYS of
--       presence, and 4 per move: kind, device, presence time, delay or silence,
--       then, if there are clients or wills of clients, index in KEYS of clients,
--       prefix of their redelivery records, 4 per client: name, connection, '1' when the connection ends, deliveries
--       (10 bytes each), and 3 per will: number of its move, client, connection.
-- Returns {'ok', receipt}, {'repeated', receipt}, {'fenced'}, {'gap', last
--       number}, {'full', bytes stored}, {'devices', indexes of moves too many} or
--       {'stale', indexes of clients that have a newer connection}.
--       A receipt is three numbers per part and three for the dead letter queue:
--       batches sealed, messages open, age of the first in microseconds; then what
--       keep returns, or seven zeros.

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

local parts, counters, letters, moves = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[14])
local clients, wills = tonumber(ARGV[16]), tonumber(ARGV[17])
local m = 18 + 7 * parts + 3 * counters + (letters > 0 and 6 + 3 * letters or 0) -- of the moves in ARGV
local w = m + (moves > 0 and 11 + 4 * moves or 0) -- of the clients in ARGV
local book, skipped
if clients + wills > 0 then
  local stale
  book, stale = leaf(KEYS[tonumber(ARGV[w])], w + 2, clients, wills)
  if #stale > 0 then
    return {'stale', table.concat(stale, ' ')}
  end
  skipped = finish_wills(book, w + 2 + 4 * clients, wills)
end
local f
if moves > 0 then
  local k, names, refused = tonumber(ARGV[m + 10]), {}, {}
  f = fleet(KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3])
  for i = 1, moves do
    names[i] = ARGV[m + 8 + 4 * i]
  end
  fetch(f, names)
  local places = room(KEYS[k + 1], ARGV[m])
  for i, name in ipairs(names) do
    if f.known[name] or (skipped and skipped[i]) then
      -- a will that is not made makes nobody known
    elseif places > 0 then
      add(f, name)
      places = places - 1
    else
      refused[#refused + 1] = i - 1
    end
  end
  if #refused > 0 then
    return {'devices', table.concat(refused, ' ')}
  end
end

local now, batches, channel = clock(), ARGV[7], ARGV[8]
local received = now - tonumber(ARGV[13])
local receipt, pushed, a = {}, 0, 18

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

if moves > 0 then
  for i = 1, moves do
    local a = m + 7 + 4 * i
    if not (skipped and skipped[i]) then
      MOVES[ARGV[a]](f, f.known[ARGV[a + 1]], tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]))
    end
  end
  local text, size = keep(f, {
    events = ARGV[m + 2], devices = ARGV[m + 3], reports = ARGV[m + 1] == '1',
    k = tonumber(ARGV[m + 10]) + 4, a = m + 4, now = now, batches = batches, channel = channel,
  })
  receipt[#receipt + 1], pushed = text, pushed + size
else
  receipt[#receipt + 1] = '0 0 0 0 0 0 0'
end
local caught = tonumber(ARGV[15])
if caught > 0 and caught > (tonumber(redis.call('HGET', KEYS[1], 'caught_up')) or 0) then
  redis.call('HSET', KEYS[1], 'caught_up', ARGV[15])
end

if #ARGV[6] > 0 then
  local keep = 10 * tonumber(ARGV[5])
  if redis.call('APPEND', KEYS[2], ARGV[6]) > 2 * keep then -- seldom: it copies
    redis.call('SET', KEYS[2], keep > 0 and redis.call('GETRANGE', KEYS[2], -keep, -1) or '')
  end
end
if book then
  deliver(ARGV[w + 1], book, w + 2, clients)
  keep_clients(KEYS[tonumber(ARGV[w])], book, now)
end
if pushed > 0 then
  redis.call('HINCRBY', KEYS[3], 'bytes', pushed)
end
local text = table.concat(receipt, ' ')
redis.call('HSET', KEYS[1], 'number', number, 'receipt', text)
return {'ok', text}
