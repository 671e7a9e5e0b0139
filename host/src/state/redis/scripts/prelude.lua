-- One step of a run: everything is read and decided first and written last, so that a step that fails has done
-- nothing. The first write takes memory: where there is none, Redis refuses it, and with it the step.
local call, pack, unpack_bytes = redis.call, struct.pack, struct.unpack
local META, RESULTS, SKIPPED, FAILED, EVENTS, TASKS, EDGES, COORD, READY, TIMES, HOSTS, WAKE, PRINTS = unpack(KEYS)
local verb, me, life, lease = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

-- Phases of a node; the three last are ends.
local WAITING, QUEUED, CLAIMED, DONE, DROPPED, BROKEN = 0, 1, 2, 3, 4, 5
-- Stages of a claim.
local IS_READY, IS_TAINTED, IS_EXPANDED, IS_CLOSING = 0, 1, 2, 3
-- Scopes of resources.
local OWN, SHARED, ELASTIC = 0, 1, 2
-- What stands for all elements of a task in a lane.
local ELEMENTS = 4294967295
-- How many edges, stored elements and overdue leases one step may look at; the next step goes on.
local budget = 1000

local fields = {'v', 'life', 'state', 'stop', 'failed', 'policy', 'total', 'open', 'ok', 'live', 'fast', 'lanes',
  'seq', 'version', 'props', 'armed', 'ttl', 'failures', 'skips', 'closing'}
local found = call('HMGET', META, unpack(fields))
local run = {
  v = found[1], life = found[2], state = found[3], stop = found[4], failed = found[5], policy = found[6],
  total = tonumber(found[7]), open = tonumber(found[8]), ok = tonumber(found[9]), live = tonumber(found[10]),
  fast = tonumber(found[11]), lanes = found[12], seq = tonumber(found[13]), version = tonumber(found[14]),
  props = found[15], armed = tonumber(found[16]), ttl = tonumber(found[17]), failures = tonumber(found[18]),
  skips = tonumber(found[19]), closing = tonumber(found[20] or ''),
}
if not run.v then return {'NORUN'} end
if run.v ~= '1' then return {'LAYOUT', run.v} end
if run.life ~= life then return {'LIFE'} end
-- What is gone was evicted, or a server came back with less: then nothing here can be trusted to fit together.
if call('HLEN', RESULTS) ~= run.ok or call('EXISTS', TASKS, EDGES, COORD, READY, TIMES, HOSTS) ~= 6 then
  return {'LOST', run.ok}
end
run.lanes = cmsgpack.unpack(run.lanes)
if run.stop == '' then run.stop = nil end
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- Whether those who wait must hear of this step.
local is_news = false

-- Whether the server has less than this host was told: one that takes another's place may have missed what was written
-- last. The last commit that the host had an answer to is the last of its that is there, and results only grow in number
-- while a life lasts.
local function has_lost(last) return last ~= tonumber(ARGV[11]) or run.ok < tonumber(ARGV[12]) end

-- Amounts of resources, as hosts write them.
local function amounts(text)
  local list = {}
  for amount in text:gmatch('%d+') do list[#list + 1] = tonumber(amount) end
  return list
end
