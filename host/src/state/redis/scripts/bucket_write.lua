-- Writes to a bucket exactly once, even if the request is repeated. Everything is read and decided first, and the first
-- write is one that a server out of memory refuses.
-- KEYS  1 values  2 keys, for listings  3 per turn: number and reply of a process's last write
-- ARGV  1 turn  2 number  3 TTL of that, in milliseconds  4 command, then its arguments
-- Returns {'DONE', reply}, {'OTHER', value} if a swap found another value, {'LARGE', bytes} if that value is too large
-- to send, {'NUMBER'} if a value is not a number, {'LATE'} if the turn has already done a later write.
local call = redis.call
local values, names, turns, first = KEYS[1], KEYS[2], KEYS[3], ARGV[5]

-- A repeated number gets its stored reply; a number that was overtaken does nothing.
local last = call('HGET', turns, ARGV[1])
if last then
  local number, reply = last:match('^(%d+) (.*)$')
  if number == ARGV[2] then return {'DONE', reply} end
  if tonumber(number) > tonumber(ARGV[2]) then return {'LATE'} end
end

local function done(reply)
  call('HSET', turns, ARGV[1], ARGV[2] .. ' ' .. reply)
  call('PEXPIRE', turns, ARGV[3])
  return {'DONE', reply}
end

local function set(key, value)
  if call('HSET', values, key, value) == 1 then call('ZADD', names, 0, key) end
end

local commands = {}

-- 5 maximum size of a sent value  6 key  7 value  8 expected value, if the key should exist
function commands.swap()
  local key = ARGV[6]
  local bytes = call('HSTRLEN', values, key)
  if bytes > tonumber(first) then return {'LARGE', bytes} end
  local found = call('HGET', values, key)
  if found ~= (ARGV[8] or false) then return {'OTHER', found} end
  local reply = done('')
  set(key, ARGV[7])
  return reply
end

-- 5 key  6 delta
function commands.increment()
  local key = first
  local is_new = call('HEXISTS', values, key) == 0
  local sum = redis.pcall('HINCRBY', values, key, ARGV[6])
  if type(sum) == 'table' then
    if sum.err:sub(1, 4) == 'ERR ' then return {'NUMBER'} end
    return sum
  end
  if is_new then call('ZADD', names, 0, key) end
  -- Returned as text, because Lua's numbers do not have 64 bits.
  return done(call('HGET', values, key))
end

-- 5 number of keys to set, each with its value, then the keys to delete
function commands.write()
  local reply = done('')
  local sets = tonumber(first)
  for i = 6, 5 + 2 * sets, 2 do set(ARGV[i], ARGV[i + 1]) end
  for i = 6 + 2 * sets, #ARGV do
    call('HDEL', values, ARGV[i])
    call('ZREM', names, ARGV[i])
  end
  return reply
end

return commands[ARGV[4]]()
