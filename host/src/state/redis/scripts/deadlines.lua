-- Deadlines: their clocks, and what becomes of open nodes when one passes. Claimed nodes are left to their holders.
do
  -- The clocks by number.
  local clocks = {}

  local function clock_of(number)
    if not clocks[number] then
      local raw, since = unpack(call('HMGET', COORD, 'q:' .. number, 'k:' .. number))
      local limit, ends_at_once = unpack_bytes(CLOCK, raw)
      clocks[number] = {limit = limit, ends_at_once = ends_at_once == 1, tasks = raw:sub(CLOCK_BYTES + 1),
        since = since and (tonumber(since) or -1)}
    end
    return clocks[number]
  end

  -- Starts the clocks of a task that is handed out. Returns the one that passes first, and the time that it leaves.
  function deadlines.start(idx)
    local first, left = -1, math.huge
    local raw = call('HGET', COORD, 'y:' .. idx)
    for i = 1, #raw, INDEX_BYTES do
      local number = unpack_bytes(INDEX, raw, i)
      local c = clock_of(number)
      if not c.since then
        c.since = now
        out.keep['k:' .. number] = now
        out.due['k' .. pack(INDEX, number)] = now + c.limit
      end
      local left_here = c.since < 0 and 0 or math.max(c.since + c.limit - now, 0)
      if left_here < left then first, left = number, left_here end
    end
    return first, left
  end

  -- The nodes that hosts hold.
  local held
  local function is_held(key)
    if not held then
      held = {}
      for _, member in ipairs(call('ZRANGE', TIMES, 0, -1)) do
        local h = member:sub(1, 1) == 'l' and claim_of(member:sub(2))
        if h then held[key_of(h.idx, h.path)] = true end
      end
    end
    return held[key]
  end

  -- Queues the elements of an expanded node from `item` to before `last`, within the step's budget.
  local function hasten_elements(idx, path, item, last)
    local t = task(idx)
    local s = t.phase < DONE and split_of(idx, path)
    if not s then return end
    while item < last do
      if budget == 0 then
        pending_propagation[#pending_propagation + 1] = {OVERDUE_ELEMENTS, idx, path, item, last}
        break
      end
      budget = budget - 1
      local element = child(path, item)
      local key = key_of(idx, element)
      if element_record(key) then
        deadlines.hasten(idx, element)
      elseif t.ends_at_once and not element_phase(idx, element) and not is_held(key) then
        -- Without a record, the element is ready or waits for others.
        local member = '[' .. ready_key(s, item)
        local is_ready = s.added[item]
          or not s.removed[item] and #call('ZRANGEBYLEX', READY, member, member, 'LIMIT', 0, 1) > 0
        if not is_ready then add_ready(s, item) end
      end
      item = item + 1
    end
    line_up_elements(idx, path)
  end

  -- Returns the tasks that a deadline binds; nil if there is no deadline with this number.
  function deadlines.tasks_of(number)
    local raw = call('HGET', COORD, 'q:' .. number)
    return raw and raw:sub(CLOCK_BYTES + 1)
  end

  -- Forgets the place of a task in its lane, because the task has left it.
  function deadlines.forget_place(idx)
    local field = 'z:' .. idx
    out.keep[field] = nil
    out.forget[#out.forget + 1] = field
  end

  -- Tasks whose entries in a lane this step has removed.
  local moved = {}

  -- Queues a task among the nodes that need no slot, in place of its entry in a lane, if it has one.
  local function queue_again(idx, n)
    local field = 'z:' .. idx
    local place = not moved[idx] and (out.keep[field] or call('HGET', COORD, field))
    if not place then return end
    leave(place)
    moved[idx] = true
    deadlines.forget_place(idx)
    local member = line_up(idx, '')
    if n.lapsed then
      local lapsed = 'x:' .. key_of(idx, '')
      out.keep[lapsed] = (out.keep[lapsed] or call('HGET', COORD, lapsed)):sub(1, 16) .. member
    end
  end

  -- Queues an open node of an overdue task that nobody holds, and the elements within it.
  function deadlines.hasten(idx, path)
    local t = task(idx)
    local n = path == '' and t or element_record(key_of(idx, path))
    if n.split then
      local s = split_of(idx, path)
      if not s then return end
      if s.place then
        leave(s.place)
        s.place = nil
      end
      -- Elements that are not counted yet wait for nothing now: the cursor hands them out.
      if t.ends_at_once then scan(idx, path) end
      line_up_elements(idx, path)
      hasten_elements(idx, path, 0, s.cursor)
    elseif n.phase == WAITING and (t.ends_at_once or n.left == 0) then
      out.undue['d' .. key_of(idx, path)] = true
      line_up(idx, path)
    elseif n.phase == QUEUED and path == '' and not n.tainted then
      queue_again(idx, n)
    end
  end

  -- Marks the tasks of a clock as overdue, within the step's budget.
  local function mark(number, position)
    local c = clock_of(number)
    while position <= #c.tasks do
      if budget == 0 then
        pending_propagation[#pending_propagation + 1] = {OVERDUE_TASKS, number, position}
        return
      end
      budget = budget - 1
      local idx = unpack_bytes(INDEX, c.tasks, position)
      local t = task(idx)
      if t.phase < DONE then
        t.overdue, t.ends_at_once, t.dirty = true, t.ends_at_once or c.ends_at_once, true
        deadlines.hasten(idx, '')
      end
      position = position + INDEX_BYTES
    end
  end

  -- Ends the open nodes of a clock's tasks.
  function deadlines.pass(number)
    clock_of(number).since = -1
    out.keep['k:' .. number] = 'passed'
    mark(number, 1)
  end

  -- Continues with what earlier steps have left.
  function deadlines.continue(p)
    if p[1] == OVERDUE_TASKS then mark(p[2], p[3]) else hasten_elements(p[2], p[3], p[4], p[5]) end
  end
end
