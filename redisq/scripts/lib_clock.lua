-- clock returns the store's time in microseconds since 1970. A number is exact
-- up to 2^53, which is the year 2255.
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
