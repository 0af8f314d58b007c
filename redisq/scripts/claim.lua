#!lua flags=allow-oom
-- claim takes the next batch of a queue and returns it, the frames of a large one
-- excepted: on their way through Lua every byte would be hashed. The caller reads
-- those itself; a sealed batch never changes.
--
-- Atomic because two workers must never take the same batch, nor more of them
-- than the queue's concurrency.
--
-- KEYS  1 state, 2 sealed, 3 taken
-- ARGV  1 concurrency, 2 ttl in microseconds, 3 token, 4 prefix of batch keys,
--       5 most record bytes of a batch that is returned with its frames
-- Returns {wait in microseconds} when there is none (0: nothing to wait for),
--       else {id, attempt, number of messages, frames (none of a large batch),
--       note}

local now = clock()
local raw = redis.call('HGETALL', KEYS[3])
local halted = redis.call('HEXISTS', KEYS[1], 'halted') == 1

-- The oldest batch of a halted queue is its only choice, whoever has it.
-- Otherwise abandoned ones come before those in retry, among equals the oldest.
local best, rank, soonest
for i = 1, #raw, 2 do
  local t = parse(raw[i], raw[i + 1])
  local r = (halted and 1) or (t.at <= now and (t.state == 'c' and 1 or 2)) or nil
  if r and (not best or r < rank or (r == rank and t.seal < best.seal)) then
    best, rank = t, r
  end
  if not soonest or t.at < soonest then
    soonest = t.at
  end
end

if best and best.at > now then -- halted, and not yet due
  return {best.at - now}
end
if not best and not halted and #raw / 2 < tonumber(ARGV[1]) then
  local entry = redis.call('LPOP', KEYS[2])
  if entry then
    best = {id = string.sub(entry, 1, 32), attempt = 0, rest = string.sub(entry, 34)}
  end
end
if not best then
  return {soonest and soonest - now or 0}
end

best.state, best.at, best.attempt, best.token = 'c', now + tonumber(ARGV[2]), best.attempt + 1, ARGV[3]
redis.call('HSET', KEYS[3], best.id, line(best))
local count, size = string.match(best.rest, '^%d+ (%d+) %d+ (%d+)')
local frames = {}
if tonumber(size) <= tonumber(ARGV[5]) then
  frames = redis.call('LRANGE', ARGV[4] .. best.id, 0, -1)
end
return {best.id, best.attempt, tonumber(count), frames, redis.call('HGET', KEYS[1], 'note') or ''}
