-- Appends a batch to a run's journal, atomically.
-- KEYS  1 meta  2 events  3 notes  4 logs
-- ARGV  host, number, name or '', most events, most bytes of a log, most bytes of all logs,
--       count of events, events…, count of notes, (node, note)…, count of pieces, (node, piece)…
-- Returns 1 if it was appended, 0 if it was appended before, -1 if the run does not exist.
local call = redis.call
local NIL, BIN = 192, 198

-- Returns the end of the part of a log that begins at `at`, and whether it is a gap.
local function part(log, at)
  if string.byte(log, at) == NIL then return at, true end
  if string.byte(log, at) == BIN and #log >= at + 4 then
    return math.min(#log, at + 4 + struct.unpack('>I4', log, at + 1)), false
  end
  return #log, true
end

local function ends_with_gap(log)
  local at, is_gap = 1, false
  while at <= #log do
    local last
    last, is_gap = part(log, at)
    at = last + 1
  end
  return is_gap
end

-- Drops whole parts from the front until at most `most` bytes are left, and marks the gap.
local function cut(log, most)
  local at = 1
  while #log - at + 1 > most do at = part(log, at) + 1 end
  if at == 1 then return log end
  return string.char(NIL) .. string.sub(log, at)
end

if call('EXISTS', KEYS[1]) == 0 then return -1 end
-- A host numbers its batches: a repeated batch was appended before, and only its reply was lost.
local mark = '#' .. ARGV[1]
local last = call('HGET', KEYS[3], mark)
if last and tonumber(last) >= tonumber(ARGV[2]) then return 0 end

-- The first write. A server that refuses writes refuses this one, so nothing is written partially.
call('HSET', KEYS[3], mark, ARGV[2])
if ARGV[3] ~= '' then call('HSET', KEYS[1], 'name', ARGV[3]) end

local at = 7
for i = at + 1, at + tonumber(ARGV[at]) do
  call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'json', ARGV[i])
end

at = at + tonumber(ARGV[at]) + 1
for i = at + 1, at + 2 * tonumber(ARGV[at]), 2 do call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end

-- Logs: beyond the run's limit, pieces are dropped and the log is marked with a gap once.
at = at + 2 * tonumber(ARGV[at]) + 1
local total = tonumber(call('HGET', KEYS[4], '#bytes') or '0')
local before = total
for i = at + 1, at + 2 * tonumber(ARGV[at]), 2 do
  local node, piece = ARGV[i], ARGV[i + 1]
  local old = call('HGET', KEYS[4], node) or ''
  local new = old
  if total + #piece <= tonumber(ARGV[6]) then
    new = cut(old .. piece, tonumber(ARGV[5]))
  elseif not ends_with_gap(old) then
    new = old .. string.char(NIL)
  end
  if new ~= old then call('HSET', KEYS[4], node, new) end
  total = total + #new - #old
end
if total ~= before then call('HSET', KEYS[4], '#bytes', total) end

-- The journal expires together with the run.
local left = call('PTTL', KEYS[1])
if left > 0 then
  for i = 2, 4 do call('PEXPIRE', KEYS[i], left) end
end
return 1
