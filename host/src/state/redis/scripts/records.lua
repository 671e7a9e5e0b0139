-- The pending writes of the step.
local out = {
  results = {}, skipped = {}, failed = {}, forget = {}, keep = {},
  enter = {}, leave = {}, due = {}, undue = {}, clear = {},
}

-- Records of tasks, elements and claims: read once per step, changed in place, written at its end.
local tasks, nodes, splits, claims_held = {}, {}, {}, {}

-- Packs a task and an element into eight bytes.
local function key_of(idx, item) return pack(NODE, idx, item) end

local function has(flags, flag) return bit.band(flags, flag) ~= 0 end

local pages = {}

local function page_of(idx)
  local number = math.floor(idx / PAGE)
  local page = pages[number]
  if not page then
    page = {raw = call('GETRANGE', TASKS, number * PAGE_BYTES, (number + 1) * PAGE_BYTES - 1), tasks = {}}
    pages[number] = page
  end
  return page
end

local function task(idx)
  local t = tasks[idx]
  if t then return t end
  local page = page_of(idx)
  local start = idx % PAGE * RECORD_BYTES + 1
  if #page.raw < start + RECORD_BYTES - 1 then return nil end
  local phase, flags, takeovers, left, attempt, kind, _, class, order, edge, edges =
    unpack_bytes(RECORD, page.raw, start)
  t = {phase = phase, takeovers = takeovers, left = left, attempt = attempt, class = class, order = order,
    edge = edge, edges = edges, tainted = has(flags, FLAG_TAINTED), reported = has(flags, FLAG_REPORTED),
    lapsed = has(flags, FLAG_LAPSED), waited = has(flags, FLAG_WAITED), split = has(flags, FLAG_SPLIT),
    wanted = has(kind, KIND_WANTED), each = has(kind, KIND_EACH), kept = has(kind, KIND_KEPT),
    shares = has(kind, KIND_SHARES), closing = has(kind, KIND_CLOSING)}
  tasks[idx], page.tasks[idx % PAGE] = t, t
  return t
end

-- Packs the changing part of a record.
local function front(n)
  local flags = (n.tainted and FLAG_TAINTED or 0) + (n.reported and FLAG_REPORTED or 0)
    + (n.lapsed and FLAG_LAPSED or 0) + (n.waited and FLAG_WAITED or 0) + (n.split and FLAG_SPLIT or 0)
  return pack(FRONT, n.phase, flags, n.takeovers, n.left, n.attempt)
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
      local phase, flags, takeovers, left, attempt = unpack_bytes(FRONT, raw)
      n = {phase = phase, takeovers = takeovers, left = left, attempt = attempt,
        tainted = has(flags, FLAG_TAINTED), reported = has(flags, FLAG_REPORTED), lapsed = has(flags, FLAG_LAPSED),
        stored = true}
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
  local raw = call('HGET', COORD, 's:' .. pack(EDGE, idx))
  local items, max, cursor, ended, running, again, reported, is_scanning, placed, last =
    unpack_bytes(SPLIT, raw)
  s = {items = items, max = max, cursor = cursor, ended = ended, running = running, again = again, reported = reported,
    scanning = is_scanning == 1, place = placed > 0 and raw:sub(SPLIT_BYTES + 1, SPLIT_BYTES + placed) or nil,
    name = raw:sub(SPLIT_BYTES + placed + 1), added = {}, removed = {}, removals = 0}
  splits[idx] = s
  return s
end

local function read_claim(token, raw)
  local h = false
  if raw then
    local idx, item, stage, recorded, lapsed = unpack_bytes(CLAIM, raw)
    h = {idx = idx, item = item, stage = stage, recorded = recorded == 1, lapsed = lapsed == 1,
      host = raw:sub(CLAIM_BYTES + 1)}
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
