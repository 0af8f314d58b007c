#!lua flags=no-writes,allow-oom
-- status reads a queue. What is queued is added up from the batches themselves,
-- not from counters, so that a fault of the account shows.
--
-- Atomic because a batch that moves between two reads would be counted twice or
-- not at all.
--
-- KEYS  1 state, 2 sealed, 3 taken
-- Returns {time, state (fields and values), batches sealed, their messages,
--       their record bytes, time of their first message, taken (ids and lines)}

local batches, count, size, first = redis.call('LLEN', KEYS[2]), 0, 0, 0
for from = 0, batches - 1, 1000 do
  for _, entry in ipairs(redis.call('LRANGE', KEYS[2], from, from + 999)) do
    local n, s, f = string.match(entry, ' %d+ (%d+) %d+ (%d+) (%d+)$', 33)
    count, size = count + n, size + s
    if first == 0 then
      first = tonumber(f)
    end
  end
end
return {clock(), redis.call('HGETALL', KEYS[1]), batches, count, size, first, redis.call('HGETALL', KEYS[3])}
