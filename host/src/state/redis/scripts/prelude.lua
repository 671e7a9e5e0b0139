-- One atomic step of a run: everything is read and decided first, and written last. So a step that fails has changed
-- nothing. The first write needs memory; a server out of memory refuses it, and with it the whole step.
local command, me, life, lease = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

-- Most edges, stored elements and expired leases that one step handles; the next step continues.
local budget = 1000

local fields = {'v', 'life', 'state', 'stop', 'failed', 'policy', 'total', 'open', 'ok', 'live', 'fast', 'lanes',
  'seq', 'version', 'props', 'armed', 'ttl', 'failures', 'skips', 'closing', 'deadline', 'ending', 'finals'}
local found = call('HMGET', META, unpack(fields))
local run = {
  v = found[1], life = found[2], state = found[3], stop = found[4], failed = found[5], policy = found[6],
  total = tonumber(found[7]), open = tonumber(found[8]), ok = tonumber(found[9]), live = tonumber(found[10]),
  fast = tonumber(found[11]), lanes = found[12], seq = tonumber(found[13]), version = tonumber(found[14]),
  props = found[15], armed = tonumber(found[16]), ttl = tonumber(found[17]), failures = tonumber(found[18]),
  skips = tonumber(found[19]), closing = tonumber(found[20] or ''), deadline = tonumber(found[21] or ''),
  ending = found[22], finals = tonumber(found[23]),
}
if not run.v then return {'NORUN'} end
if run.v ~= LAYOUT then return {'LAYOUT', run.v} end
if run.life ~= life then return {'LIFE'} end
-- A missing key was evicted, or the server restarted with less. Nothing here can be trusted then.
if call('HLEN', RESULTS) ~= run.ok or call('EXISTS', TASKS, EDGES, COORD, READY, TIMES, HOSTS) ~= 6 then
  return {'LOST', run.ok}
end
run.lanes = cmsgpack.unpack(run.lanes)
if run.stop == '' then run.stop = nil end
if run.ending == '' then run.ending = nil end
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- Returns the time that the run's deadline leaves, or -1 without one.
local function time_left() return run.deadline and math.max(run.deadline - now, 0) or -1 end

-- Whether waiting hosts must be woken by this step.
local must_wake = false

-- Returns whether the server has less than this host has seen: a promoted replica may have missed the last writes. The
-- last commit with a reply must be the last one stored, and results only grow in number within a life.
local function has_lost(last) return last ~= tonumber(ARGV[11]) or run.ok < tonumber(ARGV[12]) end

-- Lets a key expire together with the run: a run that reads as absent leaves nothing behind.
local function expire_with_run(key)
  local left = call('PTTL', META)
  if left >= 0 then call('PEXPIRE', key, math.max(left, 1)) end
end
