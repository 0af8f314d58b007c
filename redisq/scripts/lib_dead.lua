-- bury pushes dead letters to the open batch q of the dead letter queue, those
-- beyond their device's quota excepted; beyond it every 1000th is kept as a
-- sample. It counts each letter in its account as dead or as dropped.
--
-- One hash per hour counts by device. Once it has as many fields as it may,
-- devices that are new share one.
--
-- ARGV from a on: most devices, quota, prefix of quota keys, max, maxbytes, ids;
-- then three per letter: the index in KEYS of its account, the device's field,
-- its record. Returns the size in bytes of what was kept.

local function quotas(hour, most, from, to)
  local full = redis.call('HLEN', hour) >= most
  local field, count = {}, {}
  for i = from, to, 3 do
    local device = ARGV[i + 1]
    if not field[device] then
      local shared = full and redis.call('HEXISTS', hour, device) == 0
      field[device] = shared and '' or device
    end
    count[field[device]] = (count[field[device]] or 0) + 1
  end
  for device, n in pairs(count) do
    count[device] = redis.call('HINCRBY', hour, device, n) - n
  end
  redis.call('EXPIRE', hour, 7200)
  return field, count
end

local function bury(q, now, batches, a, letters)
  local quota = tonumber(ARGV[a + 1])
  local from, to = a + 6, a + 5 + 3 * letters
  local hour = ARGV[a + 2] .. string.format('%d', math.floor(now / 3600000000))
  local field, count = quotas(hour, tonumber(ARGV[a]), from, to)
  local dead, dropped, records, bytes = {}, {}, {}, 0
  for i = from, to, 3 do
    local account, device, record = KEYS[tonumber(ARGV[i])], field[ARGV[i + 1]], ARGV[i + 2]
    count[device] = count[device] + 1
    local over = count[device] - quota
    if over <= 0 or over % 1000 == 0 then
      dead[account] = (dead[account] or 0) + 1
      records[#records + 1] = record
      bytes = bytes + struct.unpack('>I4', record)
    else
      dropped[account] = (dropped[account] or 0) + 1
    end
  end
  for account, n in pairs(dead) do
    redis.call('HINCRBY', account, 'dead', n)
  end
  for account, n in pairs(dropped) do
    redis.call('HINCRBY', account, 'dropped:dead_quota', n)
  end
  local data = table.concat(records)
  push(q, now, {
    data = data, count = #records, bytes = bytes, batches = batches,
    max = tonumber(ARGV[a + 3]), maxbytes = tonumber(ARGV[a + 4]), ids = ARGV[a + 5],
  })
  return #data
end
