-- Ends a making: stores what was made, if it was, and lets others make what was not. Says 2 where somebody waits for it.
-- KEYS  1 value  2 who makes it: a number, with a `!` once somebody waits for it
-- ARGV  maker, the value's time to live in milliseconds or nothing, the value if there is one
if ARGV[3] then
  if ARGV[2] == '' then
    redis.call('SET', KEYS[1], ARGV[3])
  else
    redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
  end
end
local maker = redis.call('GET', KEYS[2])
if maker ~= ARGV[1] and maker ~= ARGV[1] .. '!' then return 1 end
redis.call('UNLINK', KEYS[2])
return maker == ARGV[1] and 1 or 2
