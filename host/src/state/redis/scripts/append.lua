-- Appends a batch to a run's journal, atomically.
-- KEYS  1 meta  2 events  3 notes  4 logs
-- ARGV  host, number, name or '', maximum number of events, maximum size of a log, maximum size of all logs,
--       maximum number of failed attempts, first bytes of a page, size at which a page is compacted,
--       epoch or '', note of the epoch,
--       count of events, events…, count of pages, (field, entries)…, count of pieces, (node, piece)…
-- Returns 1 if it was appended, 0 if it was appended before, -1 if the run does not exist.
local call = redis.call
local NIL, BIN = 192, 198

-- Returns the end of the part of a log that begins at `position`, and whether it is a gap.
local function part(log, position)
  if string.byte(log, position) == NIL then return position, true end
  if string.byte(log, position) == BIN and #log >= position + 4 then
    return math.min(#log, position + 4 + struct.unpack('>I4', log, position + 1)), false
  end
  return #log, true
end

local function ends_with_gap(log)
  local position, is_gap = 1, false
  while position <= #log do
    local last
    last, is_gap = part(log, position)
    position = last + 1
  end
  return is_gap
end

-- Drops whole parts from the front until at most `max` bytes are left, and marks the gap.
local function cut(log, max)
  local position = 1
  while #log - position + 1 > max do position = part(log, position) + 1 end
  if position == 1 then return log end
  return string.char(NIL) .. string.sub(log, position)
end

-- An entry of a page: its position, kind, epoch, host and length, then the note.
local HEAD, HEAD_FORM = 12, '>BBI4I4I2'
local FAILED_ATTEMPT = 1

-- Returns the entries to keep of one node, as `keep` of `notes/history.rs` does: the last entry, the failed attempts of
-- its epoch, and the last entry of the epoch before.
local function kept(entries, max_attempts)
  local last, before = entries[1], nil
  for i = 2, #entries do
    local entry = entries[i]
    if entry.epoch > last.epoch then before = last end
    if entry.epoch >= last.epoch then last = entry end
  end
  local found = {}
  if before then found[1] = before end
  local attempts = {}
  for i = 1, #entries do
    local entry = entries[i]
    local is_of_epoch = entry ~= last and entry.epoch == last.epoch
    if is_of_epoch and entry.kind == FAILED_ATTEMPT then attempts[#attempts + 1] = entry end
  end
  for i = math.max(1, #attempts - max_attempts + 2), #attempts do found[#found + 1] = attempts[i] end
  found[#found + 1] = last
  return found
end

-- Returns a page with new entries behind it. Entries that others have replaced stay until the page is large: looking at
-- each entry takes far longer than copying the page.
local function extended(page, added, prefix, max_size, max_attempts)
  -- Pages of other versions are replaced.
  if string.sub(page, 1, #prefix) ~= prefix then page = prefix end
  if #page + #added <= max_size then return page .. added end
  added = string.sub(page, #prefix + 1) .. added
  local nodes, order, position = {}, {}, 1
  while position + HEAD - 1 <= #added do
    local node, kind, epoch, _, length = struct.unpack(HEAD_FORM, added, position)
    local stop = position + HEAD + length
    local entries = nodes[node]
    if not entries then
      entries = {}
      nodes[node] = entries
      order[#order + 1] = node
    end
    entries[#entries + 1] = {kind = kind, epoch = epoch, text = string.sub(added, position, stop - 1)}
    position = stop
  end
  local parts = {prefix}
  for i = 1, #order do
    local entries = nodes[order[i]]
    if #entries > 1 then entries = kept(entries, max_attempts) end
    for k = 1, #entries do parts[#parts + 1] = entries[k].text end
  end
  return table.concat(parts)
end

if call('EXISTS', KEYS[1]) == 0 then return -1 end
-- A host numbers its batches: a repeated batch was appended before, and only its reply was lost.
local mark = '#' .. ARGV[1]
local last = call('HGET', KEYS[3], mark)
if last and tonumber(last) >= tonumber(ARGV[2]) then return 0 end

-- The first write. A server that refuses writes refuses this one, so nothing is written partially.
call('HSET', KEYS[3], mark, ARGV[2])
if not last then call('HSET', KEYS[3], '#hosts', (call('HGET', KEYS[3], '#hosts') or '') .. ARGV[1] .. '\n') end
if ARGV[10] ~= '' and not call('HGET', KEYS[3], '#epoch ' .. ARGV[10]) then
  call('HSET', KEYS[3], '#epoch ' .. ARGV[10], ARGV[11])
end
if ARGV[3] ~= '' then call('HSET', KEYS[1], 'name', ARGV[3]) end

local position = 12
for i = position + 1, position + tonumber(ARGV[position]) do
  call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'json', ARGV[i])
end

position = position + tonumber(ARGV[position]) + 1
for i = position + 1, position + 2 * tonumber(ARGV[position]), 2 do
  local page = call('HGET', KEYS[3], ARGV[i]) or ''
  call('HSET', KEYS[3], ARGV[i], extended(page, ARGV[i + 1], ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[7])))
end

-- Logs: beyond the run's limit, pieces are dropped and the log is marked with a gap once.
position = position + 2 * tonumber(ARGV[position]) + 1
local total = tonumber(call('HGET', KEYS[4], '#bytes') or '0')
local before = total
for i = position + 1, position + 2 * tonumber(ARGV[position]), 2 do
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
