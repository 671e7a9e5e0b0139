-- Removes runs from the index of runs, unless they were entered again.
-- KEYS  1 index
-- ARGV  per run: its id, its time of entry
local call = redis.call
for i = 1, #ARGV, 2 do
  for _, run in ipairs(call('ZRANGEBYSCORE', KEYS[1], ARGV[i + 1], ARGV[i + 1])) do
    if run == ARGV[i] then call('ZREM', KEYS[1], run) end
  end
end
return 1
