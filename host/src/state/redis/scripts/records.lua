-- The pending writes of the step.
local out = {
  results = {}, skipped = {}, failed = {}, forget = {}, keep = {},
  enter = {}, leave = {}, due = {}, undue = {}, clear = {},
}

-- Records of tasks, elements and claims: read once per step, changed in place, written at its end.
local tasks, nodes, splits, claims_held = {}, {}, {}, {}

-- Packs a task and an element into eight bytes. Element 0 is the task itself; element n + 1 is the n-th.
local function key_of(idx, item) return pack('>I4I4', idx, item) end

local function has(flags, flag) return bit.band(flags, flag) ~= 0 end

-- Records are read and written in pages of 32 records with 32 bytes, because tasks that run together lie together.
local pages = {}

local function page_of(idx)
  local number = math.floor(idx / 32)
  local page = pages[number]
  if not page then
    page = {raw = call('GETRANGE', TASKS, number * 1024, number * 1024 + 1023), tasks = {}}
    pages[number] = page
  end
  return page
end

local function task(idx)
  local t = tasks[idx]
  if t then return t end
  local page = page_of(idx)
  local raw = page.raw:sub(idx % 32 * 32 + 1, idx % 32 * 32 + 32)
  if #raw < 32 then return nil end
  local phase, flags, takeovers, left, attempt, kind, _, class, order, edge, edges =
    unpack_bytes('>BBHI4I4BBHI8I4I4', raw)
  t = {phase = phase, takeovers = takeovers, left = left, attempt = attempt, class = class, order = order,
    edge = edge, edges = edges, tainted = has(flags, 1), reported = has(flags, 2), lapsed = has(flags, 4),
    waited = has(flags, 8), split = has(flags, 16), wanted = has(kind, 1), each = has(kind, 2), kept = has(kind, 4),
    shares = has(kind, 8), closing = has(kind, 16)}
  tasks[idx], page.tasks[idx % 32] = t, t
  return t
end

-- Packs the changing part of a record.
local function front(n)
  local flags = (n.tainted and 1 or 0) + (n.reported and 2 or 0) + (n.lapsed and 4 or 0) + (n.waited and 8 or 0)
    + (n.split and 16 or 0)
  return pack('>BBHI4I4', n.phase, flags, n.takeovers, n.left, n.attempt)
end

-- An element in its first claim needs no record.
local function new_element() return {phase = CLAIMED, takeovers = 0, left = 0, attempt = 1} end

local function is_new_element(n)
  return n.phase == CLAIMED and n.attempt == 1 and n.takeovers == 0 and n.left == 0
    and not (n.tainted or n.reported or n.lapsed)
end

-- Returns a task or an element; nil for an element of a task that is no longer expanded.
local function node(idx, item, is_new)
  if item == 0 then return task(idx) end
  local t = task(idx)
  if not t.split then return nil end
  local key = key_of(idx, item)
  local n = nodes[key]
  if n == nil then
    local raw = not is_new and call('HGET', COORD, 'n:' .. key)
    if raw then
      local phase, flags, takeovers, left, attempt = unpack_bytes('>BBHI4I4', raw)
      n = {phase = phase, takeovers = takeovers, left = left, attempt = attempt, tainted = has(flags, 1),
        reported = has(flags, 2), lapsed = has(flags, 4), stored = true}
    else
      n = new_element()
    end
    nodes[key] = n
  end
  return n
end

-- Returns the elements of an expanded task.
local function split_of(idx)
  local s = splits[idx]
  if s or not task(idx).split then return s end
  local raw = call('HGET', COORD, 's:' .. pack('>I4', idx))
  local items, max, cursor, ended, running, again, reported, is_scanning, placed, last =
    unpack_bytes('>I4I4I4I4I4I4I4BB', raw)
  s = {items = items, max = max, cursor = cursor, ended = ended, running = running, again = again, reported = reported,
    scanning = is_scanning == 1, place = placed > 0 and raw:sub(31, 30 + placed) or nil, name = raw:sub(31 + placed),
    added = {}, removed = {}, removals = 0}
  splits[idx] = s
  return s
end

local function read_claim(token, raw)
  local h = false
  if raw then
    local idx, item, stage, recorded, lapsed = unpack_bytes('>I4I4BBB', raw)
    h = {idx = idx, item = item, stage = stage, recorded = recorded == 1, lapsed = lapsed == 1, host = raw:sub(12)}
  end
  claims_held[token] = h
  return h
end

-- Returns the claim of a token.
local function claim_of(token)
  local h = claims_held[token]
  if h ~= nil then return h end
  return read_claim(token, call('HGET', COORD, 'h:' .. token))
end

-- Reads the claims of many tokens at once: every `stride`-th argument from `first`.
local function read_claims(first, stride)
  for start = first, #ARGV, 1000 * stride do
    local names = {}
    for i = start, math.min(#ARGV, start + 999 * stride), stride do names[#names + 1] = 'h:' .. ARGV[i] end
    for i, raw in ipairs(call('HMGET', COORD, unpack(names))) do read_claim(names[i]:sub(3), raw) end
  end
end

local function node_of(h) return node(h.idx, h.item, not h.recorded) end
