-- What a maker finds: a value; 1, where it is the maker's to make; 0, where another makes it; nothing, where something
-- else stands there.
-- KEYS  1 value  2 who makes it: a number, with a `!` once somebody waits for it
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
  if maker:sub(-1) ~= '!' then redis.call('APPEND', KEYS[2], '!') end
  return 0
end
return 1
