-- Records of tasks, elements and claims: read once in a step, changed in place, written at its end.
local tasks, nodes, splits, claims_held = {}, {}, {}, {}

-- A task and an element as eight bytes; element 0 is the task itself, element n + 1 the n-th.
function step.key_of(at, item) return pack('>I4I4', at, item) end

function step.has(flags, flag) return bit.band(flags, flag) ~= 0 end

-- Records are read and written by the page, of 32 records with 32 bytes: tasks that are at work together lie together.
local pages = {}

function step.page_of(at)
  local number = math.floor(at / 32)
  local page = pages[number]
  if not page then
    page = {raw = call('GETRANGE', TASKS, number * 1024, number * 1024 + 1023), tasks = {}}
    pages[number] = page
  end
  return page
end

function step.task(at)
  local t = tasks[at]
  if t then return t end
  local page = step.page_of(at)
  local raw = page.raw:sub(at % 32 * 32 + 1, at % 32 * 32 + 32)
  if #raw < 32 then return nil end
  local phase, flags, takeovers, left, attempt, kind, _, class, order, edge, edges =
    unpack_bytes('>BBHI4I4BBHI8I4I4', raw)
  t = {phase = phase, takeovers = takeovers, left = left, attempt = attempt, class = class, order = order,
    edge = edge, edges = edges, tainted = step.has(flags, 1), told = step.has(flags, 2), lapsed = step.has(flags, 4),
    waited = step.has(flags, 8), split = step.has(flags, 16), wanted = step.has(kind, 1), each = step.has(kind, 2), kept = step.has(kind, 4),
    shares = step.has(kind, 8)}
  tasks[at], page.tasks[at % 32] = t, t
  return t
end

function step.front(n)
  local flags = (n.tainted and 1 or 0) + (n.told and 2 or 0) + (n.lapsed and 4 or 0) + (n.waited and 8 or 0)
    + (n.split and 16 or 0)
  return pack('>BBHI4I4', n.phase, flags, n.takeovers, n.left, n.attempt)
end

-- An element that was never handed out before has no record, and needs none while it is held for the first time.
function step.pristine() return {phase = CLAIMED, takeovers = 0, left = 0, attempt = 1} end

function step.is_pristine(n)
  return n.phase == CLAIMED and n.attempt == 1 and n.takeovers == 0 and n.left == 0
    and not (n.tainted or n.told or n.lapsed)
end

-- A task or an element; nil for an element whose task is not split any more.
function step.node(at, item, is_new)
  if item == 0 then return step.task(at) end
  local t = step.task(at)
  if not t.split then return nil end
  local key = step.key_of(at, item)
  local n = nodes[key]
  if n == nil then
    local raw = not is_new and call('HGET', COORD, 'n:' .. key)
    if raw then
      local phase, flags, takeovers, left, attempt = unpack_bytes('>BBHI4I4', raw)
      n = {phase = phase, takeovers = takeovers, left = left, attempt = attempt, tainted = step.has(flags, 1),
        told = step.has(flags, 2), lapsed = step.has(flags, 4), stored = true}
    else
      n = step.pristine()
    end
    nodes[key] = n
  end
  return n
end

-- The elements of a task while they are under way.
function step.split_of(at)
  local s = splits[at]
  if s or not step.task(at).split then return s end
  local raw = call('HGET', COORD, 's:' .. pack('>I4', at))
  local items, most, cursor, ended, running, again, told, is_scanning, placed, last =
    unpack_bytes('>I4I4I4I4I4I4I4BB', raw)
  s = {items = items, most = most, cursor = cursor, ended = ended, running = running, again = again, told = told,
    scanning = is_scanning == 1, place = placed > 0 and raw:sub(31, 30 + placed) or nil, name = raw:sub(31 + placed),
    added = {}, removed = {}, removals = 0}
  splits[at] = s
  return s
end

function step.read_claim(token, raw)
  local h = false
  if raw then
    local at, item, stage, recorded, lapsed = unpack_bytes('>I4I4BBB', raw)
    h = {at = at, item = item, stage = stage, recorded = recorded == 1, lapsed = lapsed == 1, host = raw:sub(12)}
  end
  claims_held[token] = h
  return h
end

-- What a token holds.
function step.claim_of(token)
  local h = claims_held[token]
  if h ~= nil then return h end
  return step.read_claim(token, call('HGET', COORD, 'h:' .. token))
end

-- Reads what tokens hold all at once: those from `first`, every `stride` arguments.
function step.read_claims(first, stride)
  for start = first, #ARGV, 1000 * stride do
    local names = {}
    for i = start, math.min(#ARGV, start + 999 * stride), stride do names[#names + 1] = 'h:' .. ARGV[i] end
    for i, raw in ipairs(call('HMGET', COORD, unpack(names))) do step.read_claim(names[i]:sub(3), raw) end
  end
end

function step.node_of(h) return step.node(h.at, h.item, not h.recorded) end
