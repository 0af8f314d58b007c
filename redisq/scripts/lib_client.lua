-- Clients of front doors. A client is a field of the hash `clients`, its name, with
-- the value
--   connection since connected expires keep will delay device session
-- of its newest connection: number; that of the one with which its session began;
-- store times at which it connected and at which
-- its session expires (0 while it is connected); how long the session outlives it,
-- in microseconds; will is n (none, or withdrawn), w (unfinished) or d (done); delay
-- and device of the will, - for none. Only the last may contain a space.
--
-- The string `delivered:<since>` has the newest QoS 1 messages of a session, 10 bytes
-- each: a key of its own, because a group then only appends to it. The hash
-- `subscriptions` has what the front door recorded of a client.

local CLIENT = '^(%d+) (%d+) (%d+) (%d+) (%d+) (%a) (%d+) (%S+) (.*)$'
local DELIVERED = 640 -- bytes

local function client(record)
  local connection, since, connected, expires, keep, will, delay, device, session = string.match(record, CLIENT)
  return {
    connection = connection, since = since, connected = tonumber(connected), expires = tonumber(expires), keep = tonumber(keep),
    will = will, delay = tonumber(delay), device = device, session = session,
  }
end

local function client_record(c)
  return string.format('%s %s %d %d %d %s %d %s %s', c.connection, c.since, c.connected, c.expires, c.keep, c.will,
    c.delay, c.device, c.session)
end

-- newest tells whether the connection, a string, is the one of a record.
local function newest(record, connection)
  return record and string.find(record, connection .. ' ', 1, true) == 1
end

-- end_client ends a connection, if it has not ended, and finishes its will.
local function end_client(c, now)
  if c.expires == 0 then
    c.expires = now + c.keep
  end
  if c.will == 'w' then
    c.will = 'd'
  end
end

local function withdraw(c)
  c.will, c.delay, c.device = 'n', 0, '-'
end

-- leaf reads the clients of a group: ARGV from a on as append.lua describes them. It
-- returns what is to be kept (found: records by name; ended: names), and the indexes
-- of those that have a newer connection.
local function leaf(key, a, clients, wills)
  local names, found, stale, ended = {}, {}, {}, {}
  for i = 0, clients - 1 do
    names[#names + 1] = ARGV[a + 4 * i]
  end
  for i = 0, wills - 1 do
    names[#names + 1] = ARGV[a + 4 * clients + 3 * i + 1]
  end
  for from = 1, #names, 1000 do
    local to = math.min(from + 999, #names)
    for i, record in ipairs(redis.call('HMGET', key, unpack(names, from, to))) do
      found[names[from + i - 1]] = record
    end
  end
  for i = 0, clients - 1 do
    local name = ARGV[a + 4 * i]
    if not newest(found[name], ARGV[a + 4 * i + 1]) then
      stale[#stale + 1] = i
    elseif ARGV[a + 4 * i + 2] == '1' then
      ended[name] = true
    end
  end
  return {found = found, ended = ended}, stale
end

-- finish_wills finds the wills that are moves, ARGV from a on. It returns the
-- numbers of the moves that are not to be made: the connection is not the newest, or
-- its will is done.
local function finish_wills(book, a, wills)
  local skipped = {}
  for i = 0, wills - 1 do
    local name, connection = ARGV[a + 3 * i + 1], ARGV[a + 3 * i + 2]
    local record = book.found[name]
    if not newest(record, connection) or book.ended[name] or client(record).will ~= 'w' then
      skipped[tonumber(ARGV[a + 3 * i])] = true
    else
      book.ended[name] = true
    end
  end
  return skipped
end

-- deliver appends to the redelivery records of a group's clients.
local function deliver(prefix, book, a, clients)
  for i = a, a + 4 * (clients - 1), 4 do
    local news = ARGV[i + 3]
    if news ~= '' then
      local key = prefix .. string.match(book.found[ARGV[i]], ' (%d+)')
      if redis.call('APPEND', key, news) > 2 * DELIVERED then -- seldom: it copies
        redis.call('SET', key, redis.call('GETRANGE', key, -DELIVERED, -1))
      end
    end
  end
end

-- keep_clients writes the clients whose connection the group ends.
local function keep_clients(key, book, now)
  for name in pairs(book.ended) do
    local c = client(book.found[name])
    end_client(c, now)
    redis.call('HSET', key, name, client_record(c))
  end
end
