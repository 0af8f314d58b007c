-- A queue's taken batches are a hash of batch id to one line:
--   state when attempt token seal count bytes size first
-- state is c (claimed) or r (in retry), when the time at which the claim expires
-- or the retry is due. The last five come from the line of the sealed list and
-- never change; seal numbers the batches of a queue in the order of sealing.

local function parse(id, line)
  local state, at, attempt, token, rest = string.match(line, '^(%a) (%d+) (%d+) (%S+) (.*)$')
  return {
    id = id, state = state, at = tonumber(at), attempt = tonumber(attempt), token = token, rest = rest,
    seal = tonumber(string.match(rest, '^%d+')),
  }
end

local function line(t)
  return string.format('%s %d %d %s %s', t.state, t.at, t.attempt, t.token, t.rest)
end

-- claimed returns the batch if it is claimed under the token, else nil.
local function claimed(taken, id, token)
  local l = redis.call('HGET', taken, id)
  local t = l and parse(id, l)
  if t and t.state == 'c' and t.token == token then
    return t
  end
end
