-- What a maker finds: a value; 1, where it is the maker's to make; 0, where another makes it; nothing, where something
-- else stands there.
-- KEYS  1 value  2 who makes it
-- ARGV  maker, hold in milliseconds
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return false end
if value then return value end
local maker = redis.call('GET', KEYS[2])
if maker and maker ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
