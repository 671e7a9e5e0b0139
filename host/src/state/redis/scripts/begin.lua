-- Begins a life of a run, if nothing has changed since it was inspected. ARGV: the life and the number of results that
-- were found, whether to keep them, whether live hosts prevent it, then the initial data of the life.
local old_life, kept, keep_results, check_hosts = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local life, epoch, version, me, lease, ttl = ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8], ARGV[9], ARGV[10]
local digest, record, policy, total, open = ARGV[11], ARGV[12], ARGV[13], ARGV[14], ARGV[15]
local tasks, edges, pending_propagation, prints, have = ARGV[16], ARGV[17], ARGV[18], ARGV[19], ARGV[20]
local closing, rerun = ARGV[21], ARGV[22]
-- The run's deadline or '', how much of it has passed before, and the clocks that run on: number, limit, passed time.
local deadline, spent, clocks = ARGV[23], tonumber(ARGV[24]), cmsgpack.unpack(ARGV[25])
-- Of the finally tasks: how many are open, the ending that the life goes on with or '', and then how many tasks have
-- failed and were skipped before, and the names of the open finally tasks.
local finals, ending, failures, skips, reopened = unpack(cmsgpack.unpack(ARGV[26]))
local classes = tonumber(ARGV[27])
local meta = call('HMGET', META, 'life', 'state', 'created')
-- Fence against a faster host: the life or the results have changed since the inspection.
if (meta[1] or '') ~= old_life or call('HLEN', RESULTS) ~= kept then return {'AGAIN'} end
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if check_hosts == '1' and meta[2] == 'running' and call('ZCOUNT', HOSTS, '(' .. now, '(inf') > 0 then
  return {'AGAIN'}
end

call('SET', TASKS, tasks)
call('SET', EDGES, edges)
call('SET', PRINTS, prints)
-- Elements that are left out stay so, as results stay. All other skips are derived anew.
local left_out, cursor = {}, '0'
repeat
  if keep_results == '0' then break end
  local page = call('HSCAN', SKIPPED, cursor, 'COUNT', 1000)
  cursor = page[1]
  for i = 1, #page[2], 2 do
    local reason = page[2][i + 1]
    if reason == 'ElementFailed' or reason == 'UpstreamElementFailed' then left_out[page[2][i]] = reason end
  end
until cursor == '0'
-- The new life starts with empty coordination state. Results survive unless the run starts over.
call('UNLINK', COORD, READY, TIMES, HOSTS)
if ending == '' then
  call('UNLINK', SKIPPED, FAILED)
else
  -- What has ended before the ending stays as it is. Of finally tasks that go on, only results do.
  local is_reopened = {}
  for _, name in ipairs(reopened) do is_reopened[name] = true end
  for _, key in ipairs({SKIPPED, FAILED}) do
    for _, name in ipairs(call('HKEYS', key)) do
      local of_task = name:gsub('%b[]', '')
      if is_reopened[of_task] then call('HDEL', key, name) end
    end
  end
end
if keep_results == '0' then call('UNLINK', RESULTS, EVENTS, NOTES, LOGS, OFFERS) end
for i = 1, classes do
  call('HSET', COORD, 'c:' .. (i - 1), ARGV[27 + i])
end
-- The calls that results are of, in the order of this plan's tasks. The first entry says of which plan they are.
local plan = call('LINDEX', CALLS, 0)
local listed = 28 + classes
if ARGV[listed] ~= 'keep' or plan ~= digest then
  call('UNLINK', CALLS)
  call('RPUSH', CALLS, digest)
end
listed = listed + 1
for i = listed + 1, listed + tonumber(ARGV[listed]) do call('RPUSH', CALLS, ARGV[i]) end
-- Names and edges of tasks with elements: fields and values.
local extra = listed + tonumber(ARGV[listed]) + 1
local stale = extra + 1 + tonumber(ARGV[extra])
for i = extra + 1, stale - 1, 1000 do
  call('HSET', COORD, unpack(ARGV, i, math.min(i + 999, stale - 1)))
end
for i = stale, #ARGV, 1000 do
  call('HDEL', RESULTS, unpack(ARGV, i, math.min(i + 999, #ARGV)))
  -- Nodes that run again are offered nothing. Other results that are no longer valid were never offered.
  call('HDEL', OFFERS, unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
for name, reason in pairs(left_out) do
  if call('HEXISTS', RESULTS, name) == 1 then call('HSET', SKIPPED, name, reason) end
end
-- Sentinels: these keys are never empty, so Redis never deletes one of them together with its TTL.
call('HSET', COORD, 'u', cmsgpack.pack({}), 'o:' .. me, have)
call('ZADD', READY, 0, '\255')
call('ZADD', TIMES, '+inf', '')
call('ZADD', HOSTS, '+inf', '', now + lease, me)
for _, running in ipairs(clocks) do
  local number, limit, passed = unpack(running)
  call('HSET', COORD, 'k:' .. number, now - passed)
  call('ZADD', TIMES, now - passed + limit, 'k' .. struct.pack('>I4', number))
end
if deadline ~= '' then
  deadline = now - spent + tonumber(deadline)
  call('ZADD', TIMES, deadline, 'K')
end
-- The version only grows, over all lives, so waiting hosts notice the new one.
version = math.max(version, tonumber(call('HGET', META, 'version') or 0)) + 1
call('UNLINK', WAKE)
call('XADD', WAKE, 'MAXLEN', 1, version .. '-1', 'v', version)
local ok = call('HLEN', RESULTS)
-- Nobody tells again of a life that goes on with an ending, if it ends in the same way; nor of one that succeeds
-- without new results after one that has succeeded.
if ending ~= '' and meta[2] ~= 'running' then
  call('HSET', COORD, 'end', '', 'before', meta[2])
elseif keep_results ~= '0' and meta[2] == 'succeeded' then
  call('HSET', COORD, 'told', ok)
end
local state = open == '0' and closing == '' and 'succeeded' or 'running'
if ending ~= '' then state = finals == 0 and ending or 'running' end
call('HSET', META, 'v', LAYOUT, 'life', life, 'epoch', epoch, 'digest', digest, 'record', record, 'policy', policy,
  'state', state, 'stop', '', 'failed', '0', 'total', total, 'open', open, 'failures', failures, 'skips', skips,
  'ok', ok, 'live', 0, 'fast', 0, 'lanes', cmsgpack.pack({}), 'seq', 0, 'version', version,
  'props', pending_propagation, 'closing', closing, 'rerun', rerun, 'armed', now, 'ttl', ttl, 'created', meta[3] or now,
  'begun', now, 'by', me, 'deadline', deadline, 'since', now - spent, 'ending', ending, 'finals', finals)
for _, key in ipairs(KEYS) do call('PEXPIRE', key, ttl) end
return {'OK', version, ok, now}
