-- Ends a making: stores what was made, if it was, and lets others make what was not.
-- KEYS  1 value  2 who makes it
-- ARGV  maker, the value's time to live in milliseconds or nothing, the value if there is one
if ARGV[3] then
  if ARGV[2] == '' then
    redis.call('SET', KEYS[1], ARGV[3])
  else
    redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
  end
end
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('UNLINK', KEYS[2]) end
return 1
