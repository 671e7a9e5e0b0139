-- The pending writes of the step.
local out = {
  results = {}, skipped = {}, failed = {}, forget = {}, keep = {},
  enter = {}, leave = {}, due = {}, undue = {}, clear = {}, taken = {},
}

-- Records of tasks, elements and claims: read once per step, changed in place, written at its end.
local tasks, nodes, splits, claims_held = {}, {}, {}, {}

-- Packs a node.
local function key_of(idx, path) return pack(NODE, idx, #path) .. path end

-- Unpacks a node from `position`; returns also where to read on.
local function unpack_node(raw, position)
  local idx, length = unpack_bytes(NODE, raw, position)
  position = position + NODE_BYTES
  return idx, raw:sub(position, position + length - 1), position + length
end

-- Packs the path of an element of a node.
local function child(path, item) return path .. pack(INDEX, item) end

-- Splits the path of an element into the path of the node around it, and its index.
local function split_last(path)
  return path:sub(1, -1 - INDEX_BYTES), (unpack_bytes(INDEX, path, #path - INDEX_BYTES + 1))
end

-- Returns the indexes of a path, as hosts read them.
local function path_text(path)
  if path == '' then return '' end
  local list = {}
  for i = 1, #path, INDEX_BYTES do list[#list + 1] = string.format('%d', (unpack_bytes(INDEX, path, i))) end
  return table.concat(list, ' ')
end

-- Packs a path that a host has sent.
local function path_of(text)
  local path = ''
  for index in text:gmatch('%d+') do path = path .. pack(INDEX, tonumber(index)) end
  return path
end

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
  local phase, flags, takeovers, left, attempt, kind, depth, class, order, edge, edges =
    unpack_bytes(RECORD, page.raw, start)
  t = {phase = phase, takeovers = takeovers, left = left, attempt = attempt, class = class, order = order,
    edge = edge, edges = edges, tainted = has(flags, FLAG_TAINTED), reported = has(flags, FLAG_REPORTED),
    lapsed = has(flags, FLAG_LAPSED), waited = has(flags, FLAG_WAITED), split = has(flags, FLAG_SPLIT),
    timed = has(flags, FLAG_TIMED), overdue = has(flags, FLAG_OVERDUE),
    ends_at_once = has(flags, FLAG_ENDS_AT_ONCE),
    wanted = has(kind, KIND_WANTED), leads = has(kind, KIND_LEADS), kept = has(kind, KIND_KEPT),
    shares = has(kind, KIND_SHARES), closing = has(kind, KIND_CLOSING), follows = has(kind, KIND_FOLLOWS),
    repeats = has(kind, KIND_REPEATS), offers = has(kind, KIND_OFFERS), depth = depth}
  tasks[idx], page.tasks[idx % PAGE] = t, t
  return t
end

-- Packs the changing part of a record.
local function front(n)
  local flags = (n.tainted and FLAG_TAINTED or 0) + (n.reported and FLAG_REPORTED or 0)
    + (n.lapsed and FLAG_LAPSED or 0) + (n.waited and FLAG_WAITED or 0) + (n.split and FLAG_SPLIT or 0)
    + (n.timed and FLAG_TIMED or 0) + (n.overdue and FLAG_OVERDUE or 0)
    + (n.ends_at_once and FLAG_ENDS_AT_ONCE or 0)
  return pack(FRONT, n.phase, flags, n.takeovers, n.left, n.attempt)
end

-- An element in its first claim needs no record.
local function new_element() return {phase = CLAIMED, takeovers = 0, left = 0, attempt = 1} end

local function is_new_element(n)
  return n.phase == CLAIMED and n.attempt == 1 and n.takeovers == 0 and n.left == 0
    and not (n.tainted or n.reported or n.lapsed or n.split)
end

-- Returns the record of an element, or nil.
local function element_record(key)
  local n = nodes[key]
  if n then return n end
  local raw = call('HGET', COORD, 'n:' .. key)
  if not raw then return nil end
  local phase, flags, takeovers, left, attempt = unpack_bytes(FRONT, raw)
  n = {phase = phase, takeovers = takeovers, left = left, attempt = attempt,
    tainted = has(flags, FLAG_TAINTED), reported = has(flags, FLAG_REPORTED), lapsed = has(flags, FLAG_LAPSED),
    split = has(flags, FLAG_SPLIT), stored = true}
  nodes[key] = n
  return n
end

-- Returns a task or an element; nil for an element of a node that is no longer expanded.
local function node(idx, path, is_new)
  if path == '' then return task(idx) end
  local around = node(idx, (split_last(path)))
  if not around or not around.split then return nil end
  local key = key_of(idx, path)
  local n = nodes[key]
  if n == nil then
    n = not is_new and element_record(key) or new_element()
    nodes[key] = n
  end
  return n
end

-- The numbers of stored iterations, by node.
local iterations = {}

-- Returns how many iterations of a node are stored.
local function iterations_of(idx, path)
  if not task(idx).repeats then return 0 end
  local key = key_of(idx, path)
  if not iterations[key] then iterations[key] = tonumber(call('HGET', COORD, 'v:' .. key) or 0) end
  return iterations[key]
end

-- Whether the nodes at this path are expanded when they are claimed.
local function is_expandable(t, path) return #path < t.depth * INDEX_BYTES end

-- Whether a node is expanded, and all nodes around it are. An element without a record is not, and gets none by this.
local function is_split(idx, path)
  local n
  if path == '' then n = task(idx) else n = element_record(key_of(idx, path)) end
  return n and n.split and (path == '' or is_split(idx, (split_last(path))))
end

-- Returns the elements of an expanded node.
local function split_of(idx, path)
  local key = key_of(idx, path)
  local s = splits[key]
  if s then return s end
  if not is_split(idx, path) then return nil end
  local raw = call('HGET', COORD, 's:' .. key)
  local items, max, cursor, ended, running, ready, reported, split_flags, placed = unpack_bytes(SPLIT, raw)
  s = {idx = idx, path = path, items = items, max = max, cursor = cursor, ended = ended, running = running,
    ready = ready, reported = reported, scanning = has(split_flags, 1), kept = has(split_flags, 2),
    place = placed > 0 and raw:sub(SPLIT_BYTES + 1, SPLIT_BYTES + placed) or nil,
    added = {}, additions = 0, removed = {}, removals = 0}
  splits[key] = s
  return s
end

local lists = {}

-- Returns the edges of a list: those that begin at a task ('e:'), or those that lead to its elements ('i:').
local function edges_of(list, idx)
  local field = list .. idx
  if lists[field] then return lists[field] end
  local raw, edges = call('HGET', COORD, field) or '', {}
  for i = 1, #raw, LEAD_BYTES do
    local other, level, on = unpack_bytes(LEAD, raw, i)
    edges[#edges + 1] = {idx = other, bytes = level * INDEX_BYTES, on = on}
  end
  lists[field] = edges
  return edges
end

-- Returns how many edges lead to an element.
local function element_waits(t, idx, path)
  local count = 0
  if t.follows then
    for _, e in ipairs(edges_of('i:', idx)) do
      if e.bytes == #path then count = count + 1 end
    end
  end
  return count
end

-- The segments of names of tasks with elements, by task.
local segments = {}

-- Returns the name of an element, under which its result is stored.
local function name_of(idx, path)
  if not segments[idx] then
    local parts = {}
    for part in ((call('HGET', COORD, 'p:' .. idx) or '') .. '\0'):gmatch('(.-)%z') do parts[#parts + 1] = part end
    segments[idx] = parts
  end
  local name = {}
  for i, part in ipairs(segments[idx]) do
    name[#name + 1] = part
    local at = (i - 1) * INDEX_BYTES + 1
    if at < #path then name[#name + 1] = string.format('[%d]', (unpack_bytes(INDEX, path, at))) end
  end
  return table.concat(name)
end

-- The elements that this step has ended, with their phases.
local ended_now = {}
local has_others

-- Returns the final phase of an element, or nil if it has not ended.
local function element_phase(idx, path)
  local t = task(idx)
  local key = key_of(idx, path)
  if ended_now[key] then return ended_now[key] end
  -- A node with elements that stores nothing keeps its record.
  if is_expandable(t, path) then
    local n = element_record(key)
    if n and n.phase >= DONE then return n.phase end
  end
  local name = name_of(idx, path)
  if call('HEXISTS', RESULTS, name) == 1 then return DONE end
  if has_others == nil then has_others = call('EXISTS', SKIPPED, FAILED) > 0 end
  if has_others and call('HEXISTS', SKIPPED, name) == 1 then return DROPPED end
  if has_others and call('HEXISTS', FAILED, name) == 1 then return BROKEN end
  -- What is around it has ended, and it with that.
  if path == '' then return nil end
  local around = split_last(path)
  local phase
  if around == '' then phase = t.phase >= DONE and t.phase or nil else phase = element_phase(idx, around) end
  return phase
end

-- How many elements nodes of a task have been expanded into, by the number of indexes of these nodes.
local expanded = {}

function expanded.field(idx, path) return 'm:' .. idx .. ':' .. #path / INDEX_BYTES end

-- Returns into how many elements the other nodes with as many indexes have been expanded.
function expanded.beside(idx, path)
  local field = expanded.field(idx, path)
  return tonumber(out.keep[field] or call('HGET', COORD, field) or 0)
end

-- What nodes are offered, by name: the call, how many iterations, and the result if there is one.
local offers = {gone = {}}

function offers.of(name)
  local raw = not offers.gone[name] and call('HGET', OFFERS, name)
  if not raw or #raw < OFFER_BYTES then return nil end
  local digest, count, is_done = unpack_bytes(OFFER, raw)
  return {call = digest, count = count, result = is_done == 1 and raw:sub(OFFER_BYTES + 1) or nil}
end

-- Removes what a node was offered.
function offers.take(name, offer)
  offers.gone[name] = true
  out.taken[#out.taken + 1] = name
  for i = 0, offer.count - 1 do out.taken[#out.taken + 1] = name .. '@' .. i end
end

local function read_claim(token, raw)
  local h = false
  if raw then
    local idx, stage, recorded, lapsed, length = unpack_bytes(CLAIM, raw)
    h = {idx = idx, path = raw:sub(CLAIM_BYTES + 1, CLAIM_BYTES + length), stage = stage, recorded = recorded == 1,
      lapsed = lapsed == 1, host = raw:sub(CLAIM_BYTES + length + 1)}
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

local function node_of(h) return node(h.idx, h.path, not h.recorded) end
