-- Removes all keys of a run.
-- KEYS  1 meta  2 hosts  3 wake, then all keys
-- ARGV  1 'idle' to reject while a host works on it  2 TTL of the removal mark, in milliseconds
-- Returns 1 if it was removed, 0 if a host works on it, -1 if the run does not exist.
local call = redis.call
if call('EXISTS', KEYS[1]) == 0 then return -1 end
local meta = call('HMGET', KEYS[1], 'state', 'life', 'version')
local is_busy = false
if meta[1] == 'running' then
  local now = call('TIME')
  local millis = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
  is_busy = call('ZCOUNT', KEYS[2], '(' .. millis, '(inf') > 0
end
if ARGV[1] == 'idle' and is_busy then return 0 end
call('UNLINK', unpack(KEYS))
if is_busy then
  -- Waiting hosts are woken. They see that the run was removed rather than lost, and do not begin it again.
  call('XADD', KEYS[3], 'MAXLEN', 1, (tonumber(meta[3] or nil) or 0) + 1 .. '-1', 'removed', meta[2] or '')
  call('PEXPIRE', KEYS[3], ARGV[2])
end
return 1
