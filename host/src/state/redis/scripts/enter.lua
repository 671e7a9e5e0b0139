-- Adds a run to the index of runs, which is kept at least as long as the run.
-- KEYS  1 index
-- ARGV  1 run  2 TTL of the index, in milliseconds  3 its TTL if it has none yet
local call = redis.call
local clock = call('TIME')
local left = call('PTTL', KEYS[1])
call('ZADD', KEYS[1], string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000)), ARGV[1])
local keep = left == -1 and ARGV[3] or ARGV[2]
if left < tonumber(keep) then call('PEXPIRE', KEYS[1], keep) end
return 1
