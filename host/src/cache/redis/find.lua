-- Looks up an entry with single-flight.
-- Returns the value on a hit, 1 if the caller is to compute it, 0 if another maker does, and nil for foreign data.
-- KEYS  1 value  2 the maker: its number, followed by `!` once another one waits
-- ARGV  maker, hold in milliseconds
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return false end
if value then return value end
local maker = redis.call('GET', KEYS[2])
if not maker then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
elseif maker == ARGV[1] or maker == ARGV[1] .. '!' then
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
else
  -- The mark makes the maker announce the end; without waiters there is nothing to announce.
  if maker:sub(-1) ~= '!' then redis.call('APPEND', KEYS[2], '!') end
  return 0
end
return 1
