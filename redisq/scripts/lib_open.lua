-- The open batch of a queue and the moves into it and out of it. A script loads
-- it once, changes it, and saves it once. None of these functions can fail, so
-- that a script that has begun to write always ends.
--
-- Fields of q: state, open, sealed (keys); count, bytes, size (messages, payload
-- bytes and record bytes in the open batch); first (time of its first push);
-- seals (batches ever sealed in this queue); received (messages ever pushed);
-- done (batches that this script sealed).

local function load(state, open, sealed)
  local s = redis.call('HMGET', state, 'open_count', 'open_bytes', 'open_size', 'open_first', 'seals', 'received')
  return {
    state = state, open = open, sealed = sealed, done = 0,
    count = tonumber(s[1]) or 0, bytes = tonumber(s[2]) or 0, size = tonumber(s[3]) or 0,
    first = tonumber(s[4]) or 0, seals = tonumber(s[5]) or 0, received = tonumber(s[6]) or 0,
  }
end

local function save(q)
  redis.call('HSET', q.state, 'open_count', q.count, 'open_bytes', q.bytes, 'open_size', q.size,
    'open_first', q.first, 'seals', q.seals, 'received', q.received)
end

-- seal renames the open list to the list of batch id and files it at the tail of
-- the sealed ones. The open batch must not be empty.
local function seal(q, batches, id)
  redis.call('RENAME', q.open, batches .. id)
  q.seals = q.seals + 1
  redis.call('RPUSH', q.sealed, string.format('%s %d %d %d %d %d', id, q.seals, q.count, q.bytes, q.size, q.first))
  q.count, q.bytes, q.size, q.first = 0, 0, 0, 0
  q.done = q.done + 1
end

-- cut walks the records of data from byte at and returns how many of count fit
-- into the open batch, their payload bytes, and the byte behind them. A record
-- too large for any batch fits into an empty one.
local function cut(q, data, at, count, max, maxbytes)
  local n, bytes = 0, 0
  while n < count and q.count + n < max do
    local payload, topic = struct.unpack('>I4I2', data, at)
    if q.count + n > 0 and q.bytes + bytes + payload > maxbytes then
      break
    end
    n, bytes, at = n + 1, bytes + payload, at + 14 + topic + payload
  end
  return n, bytes, at
end

-- push appends a frame of count records with that many payload bytes in all,
-- whole while it fits, cut where a batch boundary falls inside it. max and
-- maxbytes below 0 mean never. ids holds enough batch ids of 32 digits each.
local function push(q, first, f)
  local max = f.max < 0 and math.huge or f.max
  local maxbytes = f.maxbytes < 0 and math.huge or f.maxbytes
  local at, count, bytes = 1, f.count, f.bytes
  q.received = q.received + count
  while count > 0 do
    local n, b, stop = count, bytes, #f.data + 1
    if q.count + count > max or q.bytes + bytes > maxbytes then
      n, b, stop = cut(q, f.data, at, count, max, maxbytes)
    end
    if n > 0 then
      local whole = n == f.count -- no copy: Lua hashes every byte of a string
      redis.call('RPUSH', q.open, whole and f.data or string.sub(f.data, at, stop - 1))
      if q.count == 0 then
        q.first = first
      end
      q.count, q.bytes, q.size = q.count + n, q.bytes + b, q.size + stop - at
    end
    at, count, bytes = stop, count - n, bytes - b
    if count > 0 or q.count == max then
      seal(q, f.batches, string.sub(f.ids, 32 * q.done + 1, 32 * q.done + 32))
    end
  end
end

-- age is that of the open batch's first message, 0 when it is empty.
local function age(q, now)
  if q.count == 0 then
    return 0
  end
  return math.max(now - q.first, 0)
end
