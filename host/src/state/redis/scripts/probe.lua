-- Runs each command that hosts need on scratch keys, and returns the names of the denied ones.
-- If the server rejects the writes of every user, returns that error.
-- KEYS  the scratch keys
-- ARGV  per command: number of words, then the words; `@n` is replaced by the n-th key
local ANYBODY = {'READONLY', 'OOM', 'MISCONF', 'NOREPLICAS'}
local missing = {}
local position = 1
while position <= #ARGV do
  local words = {}
  for i = position + 1, position + tonumber(ARGV[position]) do
    local key = string.match(ARGV[i], '^@(%d)$')
    words[#words + 1] = key and KEYS[tonumber(key)] or ARGV[i]
  end
  local answer = redis.pcall(unpack(words))
  -- These errors concern the server, not the user's rights.
  if type(answer) == 'table' and answer.err then
    for _, code in ipairs(ANYBODY) do
      local from = string.find(answer.err, code, 1, true)
      if from then return redis.error_reply(string.sub(answer.err, from)) end
    end
    missing[#missing + 1] = words[1]
  end
  position = position + tonumber(ARGV[position]) + 1
end
return missing
