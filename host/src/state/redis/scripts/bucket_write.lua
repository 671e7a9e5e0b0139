-- One write to a bucket, done once however often it comes: everything is read and decided first, and the first write is
-- one that a server without memory refuses.
-- KEYS  1 values  2 keys, for listings  3 by turn: the number and the answer of the last write of a process
-- ARGV  1 turn  2 number  3 how long that is remembered, in milliseconds  4 verb, then what it takes
-- Gives {'DONE', answer}, {'OTHER', value} where a swap found something else, {'LARGE', bytes} where that is too large to
-- be sent, {'NUMBER'} where a value cannot be added to, {'LATE'} where a later write of the turn was done already.
local call = redis.call
local values, names, turns, first = KEYS[1], KEYS[2], KEYS[3], ARGV[5]

local last = call('HGET', turns, ARGV[1])
if last then
  local number, answer = last:match('^(%d+) (.*)$')
  if number == ARGV[2] then return {'DONE', answer} end
  if tonumber(number) > tonumber(ARGV[2]) then return {'LATE'} end
end

local function done(answer)
  call('HSET', turns, ARGV[1], ARGV[2] .. ' ' .. answer)
  call('PEXPIRE', turns, ARGV[3])
  return {'DONE', answer}
end

local function set(key, value)
  if call('HSET', values, key, value) == 1 then call('ZADD', names, 0, key) end
end

local verbs = {}

-- 5 most bytes to send  6 key  7 value  8 what is expected, if something is
function verbs.swap()
  local key = ARGV[6]
  local bytes = call('HSTRLEN', values, key)
  if bytes > tonumber(first) then return {'LARGE', bytes} end
  local found = call('HGET', values, key)
  if found ~= (ARGV[8] or false) then return {'OTHER', found} end
  local answer = done('')
  set(key, ARGV[7])
  return answer
end

-- 5 key  6 how much
function verbs.increment()
  local key = first
  local is_new = call('HEXISTS', values, key) == 0
  local sum = redis.pcall('HINCRBY', values, key, ARGV[6])
  if type(sum) == 'table' then
    if sum.err:sub(1, 4) == 'ERR ' then return {'NUMBER'} end
    return sum
  end
  if is_new then call('ZADD', names, 0, key) end
  -- The number as text: Lua's own have no 64 bits.
  return done(call('HGET', values, key))
end

-- 5 how many to set, then each with its value, then those to take away
function verbs.write()
  local answer = done('')
  local sets = tonumber(first)
  for i = 6, 5 + 2 * sets, 2 do set(ARGV[i], ARGV[i + 1]) end
  for i = 6 + 2 * sets, #ARGV do
    call('HDEL', values, ARGV[i])
    call('ZREM', names, ARGV[i])
  end
  return answer
end

return verbs[ARGV[4]]()
