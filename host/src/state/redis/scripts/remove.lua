-- Removes all keys of a run.
-- KEYS  1 meta  2 hosts  and all
-- ARGV  1 'idle' to refuse while a host works on it
-- Gives 1 if it is removed, 0 if a host works on it, -1 if there is no such run.
local call = redis.call
if call('EXISTS', KEYS[1]) == 0 then return -1 end
if ARGV[1] == 'idle' and call('HGET', KEYS[1], 'state') == 'running' then
  local now = call('TIME')
  local millis = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
  if call('ZCOUNT', KEYS[2], '(' .. millis, '(inf') > 0 then return 0 end
end
call('UNLINK', unpack(KEYS))
return 1
