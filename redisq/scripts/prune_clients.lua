#!lua flags=allow-oom
-- prune_clients removes a page of clients whose session has long expired.
--
-- Atomic because a client may connect between the look and the removal.
--
-- KEYS  1 clients, 2 subscriptions
-- ARGV  1 cursor, 2 how long ago they must have expired, in microseconds, 3 prefix of
--       redelivery records
-- Returns {next cursor ('0' when done), number of clients}

local page, limit, names = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', 1000), clock() - tonumber(ARGV[2]), {}
for i = 1, #page[2], 2 do
  local c = client(page[2][i + 1])
  if c.expires > 0 and c.expires <= limit and c.will ~= 'w' then
    names[#names + 1] = page[2][i]
    redis.call('DEL', ARGV[3] .. c.since)
  end
end
for from = 1, #names, 1000 do
  local to = math.min(from + 999, #names)
  redis.call('HDEL', KEYS[1], unpack(names, from, to))
  redis.call('HDEL', KEYS[2], unpack(names, from, to))
end
return {page[1], #names}
