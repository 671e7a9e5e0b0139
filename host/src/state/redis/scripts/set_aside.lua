-- Sets results aside that nodes of a changed plan may have again, a page of them. Hosts are offered them later.
-- ARGV  1 the life that was found, then per node its name and the head of its offer, then its iterations with ''
-- Returns how many results are left, unless another host was faster.
local meta = call('HMGET', META, 'life', 'state', 'v')
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if meta[1] ~= ARGV[1] or meta[3] ~= LAYOUT
  or meta[2] == 'running' and call('ZCOUNT', HOSTS, '(' .. now, '(inf') > 0 then
  return {'AGAIN'}
end
for i = 2, #ARGV, 2 do
  local name, head = ARGV[i], ARGV[i + 1]
  local value = call('HGET', RESULTS, name)
  if head ~= '' then
    -- Repeated after a lost reply, the step finds what it has set aside.
    if value or call('HEXISTS', OFFERS, name) == 0 then
      call('HSET', OFFERS, name, head .. (value and '\1' .. value or '\0'))
    end
  elseif value then
    call('HSET', OFFERS, name, value)
  end
  call('HDEL', RESULTS, name)
end
local left = call('HLEN', RESULTS)
call('HSET', META, 'ok', left)
local ttl = call('PTTL', META)
if ttl >= 0 then call('PEXPIRE', OFFERS, math.max(ttl, 1)) end
return {'OK', left}
