-- Devices, and the moves that the package sluice describes at Device: this is the
-- same state machine, tested against that one. A script makes a fleet, fetches
-- the devices that it needs, changes them, and keeps it all at the end. Nothing
-- is written before that, and nothing of it can fail.
--
-- A device is a field of the hash `devices`, its name, with the value
--   state due downcause flapping downmuted generation connected seen silent
--   deadline lost down steady muted version outages
-- state, due and downcause are letters (`-` for none), flapping and downmuted 0
-- or 1, outages numbers with commas or `-`, the rest numbers.
--
-- Fields of f: keys (presence, devices, deadlines, steady); offset, grace; up,
-- suspect, down (counts); known (devices by name); order (names, as fetched);
-- events, changes (what goes to the two queues).

local RECORD = '^(%a) (%S) (%S) (%d) (%d) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%S+)$'
local FORMAT = '%s %s %s %d %d %d %d %d %d %d %d %d %d %d %d %s'
local STATES = {u = 'up', s = 'suspect', d = 'down'}
local KINDS = {changed = 1, outage = 2, recovery = 3, steady = 4, restart = 5, forgotten = 7}
local STATE_NUMBERS = {u = 1, s = 2, d = 3}
local CAUSE_NUMBERS = {l = 1, s = 2, g = 3, c = 4, d = 5}
local FLAP_WINDOW, FLAP_OUTAGES = 600000000, 3

local function fleet(presence, devices, deadlines, steady)
  local p = redis.call('HMGET', presence, 'offset', 'grace_until', 'up', 'suspect', 'down')
  return {
    keys = {presence = presence, devices = devices, deadlines = deadlines, steady = steady},
    offset = tonumber(p[1]) or 0, grace = tonumber(p[2]) or 0,
    up = tonumber(p[3]) or 0, suspect = tonumber(p[4]) or 0, down = tonumber(p[5]) or 0,
    known = {}, order = {}, gone = {}, events = {}, changes = {},
  }
end

local function device(name, record)
  local d = {name = name, outages = {}}
  local state, due, downcause, flapping, downmuted, generation, connected, seen, silent,
    deadline, lost, down, steady, muted, version, outages = string.match(record, RECORD)
  d.state, d.due, d.downcause, d.flapping, d.downmuted = state, due, downcause, flapping == '1', downmuted == '1'
  d.generation, d.connected, d.seen, d.silent = tonumber(generation), tonumber(connected), tonumber(seen), tonumber(silent)
  d.deadline, d.lost, d.down, d.steady = tonumber(deadline), tonumber(lost), tonumber(down), tonumber(steady)
  d.muted, d.version = tonumber(muted), tonumber(version)
  for t in string.gmatch(outages, '%d+') do
    d.outages[#d.outages + 1] = tonumber(t)
  end
  d.was = {state = state, deadline = d.deadline, steady = d.steady}
  return d
end

local function unknown(name)
  return {
    name = name, state = '-', due = '-', downcause = '-', flapping = false, downmuted = false, generation = 0,
    connected = 0, seen = 0, silent = 0, deadline = 0, lost = 0, down = 0, steady = 0, muted = 0, version = 0,
    outages = {}, was = {deadline = 0, steady = 0},
  }
end

local function record(d)
  local times = {}
  for i, t in ipairs(d.outages) do
    times[i] = string.format('%d', t)
  end
  return string.format(FORMAT, d.state, d.due, d.downcause, d.flapping and 1 or 0, d.downmuted and 1 or 0,
    d.generation, d.connected, d.seen, d.silent, d.deadline, d.lost, d.down, d.steady, d.muted, d.version,
    #times > 0 and table.concat(times, ',') or '-')
end

-- fetch reads devices, a thousand at a time; a name may come twice.
local function fetch(f, names)
  for from = 1, #names, 1000 do
    local some = {}
    for i = from, math.min(from + 999, #names) do
      some[#some + 1] = names[i]
    end
    local found = redis.call('HMGET', f.keys.devices, unpack(some))
    for i, name in ipairs(some) do
      if found[i] and not f.known[name] then
        f.known[name] = device(name, found[i])
        f.order[#f.order + 1] = name
      end
    end
  end
end

-- add makes a device known that was not.
local function add(f, name)
  local d = unknown(name)
  f.known[name] = d
  f.order[#f.order + 1] = name
  return d
end

-- room is how many more devices may be known, of at most so many (0: no limit).
local function room(devices, most)
  most = tonumber(most)
  return most > 0 and most - redis.call('HLEN', devices) or math.huge
end

local function touch(d, at)
  d.version, d.dirty, d.touched = math.max(d.version + 1, at), true, at
end

local function turn(f, d, state)
  if STATES[d.state] then
    f[STATES[d.state]] = f[STATES[d.state]] - 1
  end
  f[STATES[state]] = f[STATES[state]] + 1
  d.state = state
end

-- tell makes an event of a device (sluice.v1.PresenceEvent) for the queue of
-- devices and, if worth a report, for that of events. The tags are the numbers of
-- the fields with their wire types.
local function tell(f, kind, d, at, o)
  local cause = o.cause or (d.state == 'd' and d.downcause)
  local event = '\8' .. string.char(KINDS[kind]) .. '\18' .. string.char(#d.name) .. d.name ..
    '\24' .. string.char(STATE_NUMBERS[d.state] or 0) .. '\32' .. string.char(CAUSE_NUMBERS[cause] or 0) ..
    struct.pack('<Bi8Bi8Bi8Bi8Bi8Bi8Bi4Bi4BBBBBi8BBi8', 41, at, 49, d.generation, 57, d.connected, 65, d.seen,
      73, d.lost, 81, d.down, 93, #d.outages, 101, o.alive or 0, 104, o.muted and 1 or 0, 112, o.flap or (d.flapping and 2 or 0),
      121, d.version, 129, 1, d.muted)
  f.changes[#f.changes + 1] = event
  if o.report then
    f.events[#f.events + 1] = event
  end
  d.dirty = false
end

-- back makes a device up; cause is that of a recovery.
local function back(f, d, at, cause)
  local recovered = d.state == 'd'
  turn(f, d, 'u')
  d.seen, d.lost, d.deadline, d.due = at + f.offset, 0, 0, '-'
  if d.silent > 0 then
    d.deadline, d.due = at + d.silent + math.floor(d.silent / 4), 's'
  end
  touch(d, at)
  if recovered then
    tell(f, 'recovery', d, d.seen, {cause = cause, muted = d.downmuted, flap = d.flapping and 2, report = true})
  end
end

local function connect(f, d, at, silent)
  d.generation, d.connected = d.generation + 1, at + f.offset
  if silent < 0 then
    d.silent = 0
  elseif d.silent == 0 then
    d.silent = silent
  end
  back(f, d, at, 'c')
end

local function see(f, d, at, silent)
  d.silent = silent
  back(f, d, at, 'd')
end

local function will(f, d, at, delay)
  local deadline = math.max(at + delay, f.grace)
  if d.state == 'd' or (d.state == 's' and d.deadline <= deadline) then
    return
  end
  if d.state ~= 's' then
    d.lost = at + f.offset
    turn(f, d, 's')
  end
  d.deadline, d.due = deadline, 'l'
  touch(d, at)
end

local MOVES = {c = connect, w = will, s = see}

-- fall takes a device down, whose deadline has passed.
local function fall(f, d)
  local alive, at, recent = f.up + f.suspect, d.deadline + f.offset, {}
  if d.lost == 0 then
    d.lost = d.seen
  end
  for _, t in ipairs(d.outages) do
    if t > d.deadline - FLAP_WINDOW then
      recent[#recent + 1] = t
    end
  end
  recent[#recent + 1] = d.deadline
  if #recent > FLAP_OUTAGES + 1 then
    table.remove(recent, 1)
  end
  local flapped = d.flapping
  d.outages = recent
  d.flapping = #recent > FLAP_OUTAGES or (flapped and #recent > 1)
  d.steady = d.flapping and d.deadline + FLAP_WINDOW or 0
  turn(f, d, 'd')
  d.down, d.downcause, d.downmuted = at, d.due, d.muted > at
  touch(d, d.deadline)
  d.deadline, d.due = 0, '-'
  local flap = d.flapping and (flapped and 2 or 1) or 0
  tell(f, 'outage', d, at, {alive = alive, muted = d.downmuted, flap = flap, report = true})
end

local function besteady(f, d)
  local at = d.steady
  d.flapping, d.steady, d.outages = false, 0, {}
  touch(d, at)
  tell(f, 'steady', d, at + f.offset, {muted = d.muted > at + f.offset, report = true})
end

-- hearken begins the silence of a device anew, if it is held to one, and tells
-- whether that is later.
local function hearken(d, now)
  local deadline = now + d.silent + math.floor(d.silent / 4)
  if d.due ~= 's' or d.deadline >= deadline then
    return false
  end
  d.deadline = deadline
  touch(d, now)
  return true
end

local function grace(f, d, now, till, since)
  if d.state == 'd' or (d.state == 'u' and d.seen >= since) then
    return
  end
  if d.state == 'u' and d.generation == 0 then
    return hearken(d, now)
  end
  if d.state == 's' then
    till = math.max(till, d.deadline)
  end
  d.deadline, d.due = till, 'g'
  touch(d, now)
end

-- await gives a device that is suspect until a presence time at least.
local function await(d, now, till)
  if d.state == 's' and d.deadline < till then
    d.deadline, d.due = till, 'g'
    touch(d, now)
  end
end

-- orphan makes a device suspect whose connection ended with the replica that had it.
local function orphan(f, d, now, till)
  if d.state == 's' then
    await(d, now, till)
    return
  end
  will(f, d, now, till - now)
  if d.state == 's' then
    d.due = 'g'
  end
end

local function pardon(f, d, now, till, since)
  if d.state == 'u' and d.seen < since then
    hearken(d, now)
  elseif d.state == 's' and d.lost < since and d.deadline < till then
    d.deadline = till
    touch(d, now)
  end
end

-- index keeps the sorted set of times in step with a device.
local function index(key, d, before, after)
  if after > 0 and after ~= before then
    redis.call('ZADD', key, string.format('%d', after), d.name)
  elseif after == 0 and before > 0 then
    redis.call('ZREM', key, d.name)
  end
end

-- earliest is the least score of both sets, 0 when they are empty.
local function earliest(f)
  local a = redis.call('ZRANGE', f.keys.deadlines, 0, 0, 'WITHSCORES')[2]
  local b = redis.call('ZRANGE', f.keys.steady, 0, 0, 'WITHSCORES')[2]
  if a and b then
    return math.min(a, b)
  end
  return tonumber(a or b or 0)
end

-- enqueue pushes events to the open batch of a queue whose state, open and sealed
-- keys begin at KEYS[k]; ARGV from a on: max, maxbytes, ids. It returns the
-- receipt and the size in bytes of what was pushed.
local function enqueue(name, events, k, a, now, batches, channel)
  if #events == 0 then
    return '0 0 0', 0
  end
  local q, records, bytes = load(KEYS[k], KEYS[k + 1], KEYS[k + 2]), {}, 0
  for i, event in ipairs(events) do
    records[i] = struct.pack('>I4I2i8', #event, #name, now) .. name .. event
    bytes = bytes + #event
  end
  local data = table.concat(records)
  push(q, now, {
    data = data, count = #events, bytes = bytes, batches = batches,
    max = tonumber(ARGV[a]), maxbytes = tonumber(ARGV[a + 1]), ids = ARGV[a + 2],
  })
  save(q)
  if q.done > 0 then
    redis.call('PUBLISH', channel, name)
  end
  return string.format('%d %d %d', q.done, q.count, age(q, now)), #data
end

-- keep writes every device that changed, tells of those that nothing was told of
-- yet, and pushes the events: o has the names of both queues (events, devices),
-- reports (whether outages enter the first), k (index in KEYS of their six keys),
-- a (index in ARGV of six policy arguments), now, batches, channel. It returns
-- both receipts with the earliest time after them, and the bytes pushed.
local function keep(f, o)
  local fields = {}
  for _, name in ipairs(f.order) do
    local d = f.known[name]
    if d.touched then
      if d.dirty then
        tell(f, 'changed', d, d.touched + f.offset, {})
      end
      fields[#fields + 1], fields[#fields + 2] = name, record(d)
      index(f.keys.deadlines, d, d.was.deadline, d.deadline)
      index(f.keys.steady, d, d.was.steady, d.steady)
      if #fields >= 2000 then
        redis.call('HSET', f.keys.devices, unpack(fields))
        fields = {}
      end
    end
  end
  if #fields > 0 then
    redis.call('HSET', f.keys.devices, unpack(fields))
  end
  if #f.changes > 0 then
    redis.call('HSET', f.keys.presence, 'up', f.up, 'suspect', f.suspect, 'down', f.down)
  end
  local events, size = enqueue(o.events, o.reports and f.events or {}, o.k, o.a, o.now, o.batches, o.channel)
  local changes, more = enqueue(o.devices, f.changes, o.k + 3, o.a + 3, o.now, o.batches, o.channel)
  return string.format('%s %s %d', events, changes, earliest(f)), size + more
end
