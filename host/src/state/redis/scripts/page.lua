-- Returns a page of the index of runs at any position: ids with their times of entry.
-- KEYS  1 index
-- ARGV  1 page size  2 position, from 0 for the oldest to 1000000 for the newest
local size = tonumber(ARGV[1])
local beyond = math.max(redis.call('ZCOUNT', KEYS[1], '-inf', '+inf') - size, 0)
local first = math.floor(beyond * ARGV[2] / 1000000 + 0.5)
return redis.call('ZRANGE', KEYS[1], first, first + size - 1, 'WITHSCORES')
