-- Inspects a run that a host asks for. Writes only the host's membership, if it joins.
-- ARGV  1 mode (resume, update, fresh, or rebuild)  2 digest  3 host  4 lease  5 the life to be rebuilt
--       6 the life that the host would begin  7 the newest version that it has seen  8 its total of each resource
--       9 'rerun' to discard results of the run
local mode, digest, me, lease, lost = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local kinds = {'hash', 'hash', 'hash', 'hash', 'stream', 'string', 'string', 'hash', 'zset', 'zset', 'zset', 'stream',
  'string', 'hash', 'hash', 'list', 'hash'}
-- Keys of another type belong to another program.
for i, key in ipairs(KEYS) do
  local kind = call('TYPE', key).ok
  if kind ~= 'none' and kind ~= kinds[i] then return {'FOREIGN', key, kind} end
end
local meta = call('HMGET', META, 'v', 'life', 'digest', 'epoch', 'state', 'policy', 'version', 'rerun', 'ending', 'ok')
local kept = call('HLEN', RESULTS)
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local has_hosts = call('ZCOUNT', HOSTS, '(' .. now, '(inf') > 0
if not meta[1] then
  if call('EXISTS', META) == 1 then return {'FOREIGN', META, 'hash'} end
  -- A host that lost the run learns from the last entry of `wake` whether it was removed.
  if mode == 'rebuild' then
    local news = call('XREAD', 'COUNT', 1, 'STREAMS', WAKE, '0')
    local fields = news and news[1][2][1][2]
    if fields and fields[1] == 'removed' and fields[2] == lost then return {'REMOVED'} end
  end
  if kept > 0 and mode ~= 'fresh' and mode ~= 'rebuild' then
    -- A host that works on the run finds the loss with its next request, and begins a new life.
    return {has_hosts and 'LOST' or 'STRAY', kept}
  end
  return {'BEGIN', '', 0, 0, kept, 0, '', '', ''}
end
if meta[1] ~= LAYOUT then return {'LAYOUT', meta[1]} end
-- A run is busy, and can be joined, while the lease of any host has not expired.
local is_busy = meta[5] == 'running' and has_hosts
local is_same = meta[3] == digest
-- The host has begun this life already; the reply was lost.
if meta[2] == ARGV[6] then return {'JOIN', meta[2], meta[4], meta[6], meta[7], meta[8]} end
if mode == 'rebuild' then
  if not is_same then return {'OTHER', call('HGET', META, 'record')} end
  -- Another host has begun a newer life: join that one. An older life comes from a server that missed the last writes.
  is_busy = meta[2] ~= lost and tonumber(meta[7]) >= tonumber(ARGV[7])
end
if mode == 'resume' and not is_same then return {'OTHER', call('HGET', META, 'record')} end
if is_busy and (mode == 'fresh' or not is_same or ARGV[9] == 'rerun') then return {'HELD'} end
if is_busy then
  call('ZADD', HOSTS, now + lease, me)
  -- Do not recreate a key that was lost: its absence shows the loss.
  if call('EXISTS', COORD) == 1 then call('HSET', COORD, 'o:' .. me, ARGV[8]) end
  return {'JOIN', meta[2], meta[4], meta[6], meta[7], meta[8]}
end
-- A life may go on with an ending as long as nothing was lost.
local ending = ''
if is_same and kept == tonumber(meta[10]) and call('EXISTS', TASKS, COORD) == 2 then ending = meta[9] end
-- What was to run again has run once the run has succeeded, but for what it did not include: behind an empty line.
local rerun = meta[8] or ''
if meta[5] == 'succeeded' then rerun = rerun:match('\n\n(.*)$') or '' end
return {'BEGIN', meta[2], meta[4], is_same and 1 or 0, kept, meta[7], rerun, ending, meta[5]}
