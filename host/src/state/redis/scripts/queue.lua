-- The queue, best first.
-- Nodes without a slot are under `F`, others under `L` and their class, elements that are ready under `A`. Entries that
-- enter and leave within one step are never written.
local entries, fresh = {}, {fast = {}}
-- Resource requirements of classes, and the shared resources in use.
local demands, used = {}, nil

-- Adds an entry; without a class it needs no slot. The sequence number keeps arrival order among equal ranks.
local function enter(class, order, idx, path, is_all)
  run.seq = run.seq + 1
  local member = pack(ENTRY, order, run.seq, is_all and 1 or 0, idx) .. path
  if class then
    member = 'L' .. pack(CLASS, class) .. member
    run.lanes[class] = (run.lanes[class] or 0) + 1
  else
    member = 'F' .. member
    run.fast = run.fast + 1
  end
  local e = {class = class, order = order, seq = run.seq, idx = idx, path = path, all = is_all, member = member,
    new = true}
  entries[member] = e
  local list = fresh[class or 'fast'] or {}
  fresh[class or 'fast'] = list
  list[#list + 1] = e
  return member
end

-- Returns the entry of a stored member.
local function entry(member)
  local e = entries[member]
  if e then return e end
  local class, position = nil, 2
  if member:sub(1, 1) == 'L' then class, position = unpack_bytes(CLASS, member, 2) end
  local order, seq, is_all, idx = unpack_bytes(ENTRY, member, position)
  e = {class = class, order = order, seq = seq, idx = idx, path = member:sub(position + ENTRY_BYTES),
    all = is_all == 1, member = member}
  entries[member] = e
  return e
end

local function leave(member)
  local e = entry(member)
  if e.out then return end
  e.out = true
  if not e.new then out.leave[#out.leave + 1] = member end
  if e.class then run.lanes[e.class] = run.lanes[e.class] - 1 else run.fast = run.fast - 1 end
end

local function is_before(left_entry, right_entry)
  if left_entry.order ~= right_entry.order then return left_entry.order < right_entry.order end
  return left_entry.seq < right_entry.seq
end

-- Returns at least the first `count` entries of a lane with `length` entries in total.
local function lane(prefix, after, count, length, new)
  local arrived, is_sorted = {}, true
  for _, e in ipairs(new or {}) do
    if not e.out then
      local last = arrived[#arrived]
      is_sorted = is_sorted and not (last and is_before(e, last))
      arrived[#arrived + 1] = e
    end
  end
  -- Most entries arrive in order, as tasks without dependencies do.
  if not is_sorted then table.sort(arrived, is_before) end
  if length == #arrived then return arrived end
  -- Merge new entries with stored ones. Stored entries that left in this step are still in Redis, so read some more.
  local list, i = {}, 1
  for _, member in ipairs(call('ZRANGEBYLEX', READY, '[' .. prefix, '(' .. after, 'LIMIT', 0, count + #out.leave)) do
    local e = entry(member)
    if not e.out then
      while arrived[i] and is_before(arrived[i], e) do
        list[#list + 1] = arrived[i]
        i = i + 1
      end
      list[#list + 1] = e
    end
  end
  for j = i, #arrived do list[#list + 1] = arrived[j] end
  return list
end

-- Queues the elements of a node exactly while one of them may be handed out.
local function line_up_elements(idx, path)
  local t, s = task(idx), split_of(idx, path)
  if not s then return end
  local is_open = not s.scanning and (s.running < s.max or t.overdue) and (s.ready > 0 or s.cursor < s.items)
  if is_open and not s.place then
    local class = is_expandable(t, child(path, 0)) and 0 or t.class
    if t.overdue then class = nil end
    s.place = enter(class, t.order, idx, path, true)
  elseif not is_open and s.place then
    leave(s.place)
    s.place = nil
  end
end

-- Adds an element to those that are ready; `added` and `removed` are the differences to what is stored.
local function add_ready(s, item)
  s.ready, s.upcoming = s.ready + 1, nil
  if s.removed[item] then
    s.removed[item] = nil
    s.removals = s.removals - 1
  else
    s.added[item] = true
    s.additions = s.additions + 1
  end
end

local function remove_ready(s, item)
  s.ready = s.ready - 1
  local is_next = s.upcoming and s.upcoming[s.next_upcoming] == item
  if is_next then s.next_upcoming = s.next_upcoming + 1 else s.upcoming = nil end
  if s.added[item] then
    s.added[item] = nil
    s.additions = s.additions - 1
  else
    s.removed[item] = true
    s.removals = s.removals + 1
  end
end

-- Returns the key of an element that is ready; those of one node are in order.
local function ready_key(s, item) return 'A' .. key_of(s.idx, child(s.path, item)) end

-- Returns the first element that is ready. In a block, as `write` is.
local first_ready
do
  -- Number of stored elements that are read at once.
  local CHUNK = 100

  -- Lists the first elements that are ready, in order: those that this step added, and a chunk of the stored ones.
  local function list_ready(s)
    s.upcoming, s.next_upcoming = {}, 1
    local last = math.huge
    if s.ready > s.additions then
      local low, high, count = ready_key(s, 0), ready_key(s, 4294967295), s.removals + CHUNK
      local stored = call('ZRANGEBYLEX', READY, '[' .. low, '[' .. high, 'LIMIT', 0, count)
      for _, member in ipairs(stored) do
        local item = unpack_bytes(INDEX, member, #member - INDEX_BYTES + 1)
        if not s.removed[item] then s.upcoming[#s.upcoming + 1] = item end
      end
      -- What is stored after a full chunk is not known.
      if #stored == count then last = s.upcoming[#s.upcoming] end
    end
    for item in pairs(s.added) do
      if item < last then s.upcoming[#s.upcoming + 1] = item end
    end
    table.sort(s.upcoming)
  end

  function first_ready(s)
    if s.ready == 0 then return nil end
    if not s.upcoming or s.next_upcoming > #s.upcoming then list_ready(s) end
    return s.upcoming[s.next_upcoming]
  end
end

-- Queues a node and returns its position.
local function line_up(idx, path)
  local t = task(idx)
  local n = t.phase < DONE and node(idx, path)
  if not n then return nil end
  n.dirty, n.phase = true, QUEUED
  if n.tainted or t.closing or n.split or t.overdue and path == '' then return enter(nil, t.order, idx, path) end
  if path == '' then
    local place = enter(t.depth > 0 and 0 or t.class, t.order, idx, path)
    -- By its place the entry is found when a deadline passes.
    if t.timed then out.keep['z:' .. idx] = place end
    return place
  end
  local around, item = split_last(path)
  add_ready(split_of(idx, around), item)
  line_up_elements(idx, around)
  return 'A'
end

local function demand(class)
  if not demands[class] then
    local raw = call('HGET', COORD, 'c:' .. class)
    demands[class] = raw and cmsgpack.unpack(raw) or {}
  end
  return demands[class]
end

-- Returns the shared resources in use, by resource.
local function shared_usage()
  if not used then
    local raw = call('HGET', COORD, 'u')
    used = raw and cmsgpack.unpack(raw) or {}
  end
  return used
end

-- Counts an element that is worked on now (`by` is 1), or no longer (`by` is -1).
local function change_running(idx, path, by)
  if path == '' then return end
  local around = split_last(path)
  local s = split_of(idx, around)
  if s then
    s.running = s.running + by
    line_up_elements(idx, around)
  end
end

-- Takes the shared resources of a claim (`by` is 1), or returns them (`by` is -1).
local function change_usage(h, by)
  local t = task(h.idx)
  if h.stage ~= IS_READY then return end
  if t.shares and not is_expandable(t, h.path) then
    for _, d in ipairs(demand(t.class)) do
      if d[3] == SHARED then
        shared_usage()['r' .. d[1]] = (shared_usage()['r' .. d[1]] or 0) + by * d[2]
        out.used = true
        if by < 0 then must_wake = true end
      end
    end
  end
  change_running(h.idx, h.path, by)
end
