-- Settlements: stores results, counts down dependents, and queues nodes again.
local pending_propagation = {}

local function fail()
  run.failed = '1'
  if not run.stop and run.policy ~= 'keep-going' then
    run.stop = run.policy == 'fail-fast' and 'fail-fast' or 'failure'
    must_wake = true
  end
end

-- Counts down a node, because one of its dependencies has ended.
local function count_down(idx, item, is_done)
  local t = task(idx)
  local n = t and t.wanted and t.phase < DONE and node(idx, item)
  if not n then return end
  n.left = math.max(n.left - 1, 0)
  n.tainted = n.tainted or not is_done
  n.dirty = true
  if n.left == 0 and n.phase == WAITING then line_up(idx, item) end
end

-- Follows the edges of an ended task within the step's budget; the rest waits in `pending_propagation`.
local function follow(edge, edges, is_done)
  local count = math.min(edges, budget)
  budget = budget - count
  if count > 0 then
    local raw = call('GETRANGE', EDGES, edge * EDGE_BYTES, (edge + count) * EDGE_BYTES - 1)
    for i = 0, count - 1 do count_down(unpack_bytes(EDGE, raw, i * EDGE_BYTES + 1), 0, is_done) end
  end
  if count < edges then
    pending_propagation[#pending_propagation + 1] = {EDGES_LEFT, edge + count, edges - count, is_done and 1 or 0}
  end
end

-- Moves the cursor past elements with a stored result.
local function skip_stored(idx)
  local t, s = task(idx), split_of(idx)
  s.scanning = false
  while t.kept and s.cursor < s.items do
    if budget == 0 then
      s.scanning = true
      pending_propagation[#pending_propagation + 1] = {ELEMENTS_LEFT, idx, 0, 0}
      return
    end
    if call('HEXISTS', RESULTS, s.name .. '[' .. s.cursor .. ']') == 0 then return end
    budget, s.cursor, s.ended = budget - 1, s.cursor + 1, s.ended + 1
  end
end

-- Queues the task if all elements have ended, or else its next elements.
local function follow_elements(idx)
  local t, s = task(idx), split_of(idx)
  if s.ended == s.items and t.phase == WAITING then line_up(idx, 0) else line_up_elements(idx) end
end

-- Continues the propagation that earlier steps left.
local function continue_propagation()
  local waiting = run.props == '' and {} or cmsgpack.unpack(run.props)
  run.props = ''
  for _, p in ipairs(waiting) do
    if p[1] == EDGES_LEFT then
      follow(p[2], p[3], p[4] == 1)
    elseif task(p[2]).split then
      skip_stored(p[2])
      follow_elements(p[2])
    end
  end
end

-- Ends a task: drops its elements, and counts down its dependents and waiters.
local function end_task(idx, phase)
  local t = task(idx)
  local s = split_of(idx)
  if s then
    if s.place then leave(s.place) end
    out.clear[#out.clear + 1] = idx
    splits[idx], t.split = nil, false
  end
  t.phase, t.dirty = phase, true
  -- The closing node is not a task, and is not counted.
  if t.closing then return end
  run.open = run.open - 1
  if phase == BROKEN then run.failures = run.failures + 1 end
  if phase == DROPPED then run.skips = run.skips + 1 end
  if t.edges > 0 then follow(t.edge, t.edges, phase == DONE) end
  -- Tasks that wait for this one by `select`, beyond the plan's edges.
  if t.waited then
    t.waited = false
    local waiters = call('HGET', COORD, 'w:' .. idx) or ''
    if out.waiters and out.waiters[idx] then waiters = out.waiters[idx] end
    out.forget[#out.forget + 1] = 'w:' .. idx
    if out.waiters then out.waiters[idx] = nil end
    for i = 1, #waiters, 8 do
      local waiter, item = unpack_bytes(NODE, waiters, i)
      count_down(waiter, item, phase == DONE)
    end
  end
end

-- Ends an element. The task itself is queued after the last one, or after a failure that stops the run.
local function end_element(idx, item, phase)
  local s = split_of(idx)
  if not s then return end
  node(idx, item).gone = true
  s.ended = s.ended + 1
  local stops = phase == BROKEN and run.policy ~= 'keep-going'
  if (s.ended == s.items or stops) and task(idx).phase == WAITING then line_up(idx, 0) end
end

local function finish(h, phase)
  if phase == BROKEN then fail() end
  if h.item == 0 then end_task(h.idx, phase) else end_element(h.idx, h.item, phase) end
end

-- Makes a node wait for further tasks. Ended ones do not count, but taint it unless they are done.
local function await(h, n, list)
  local seen = {}
  for other in list:gmatch('%d+') do
    other = tonumber(other)
    local t = task(other)
    if t and not seen[other] then
      seen[other] = true
      if t.wanted and t.phase < DONE then
        n.left = n.left + 1
        out.waiters = out.waiters or {}
        out.waiters[other] = (out.waiters[other] or call('HGET', COORD, 'w:' .. other) or '') .. key_of(h.idx, h.item)
        t.waited, t.dirty = true, true
      elseif t.phase ~= DONE then
        n.tainted = true
      end
    end
  end
  if n.left == 0 then line_up(h.idx, h.item) end
end

-- Expands a task into elements. They have no records yet: the cursor hands them out in order.
local function expand(h, name, numbers)
  local items, max = numbers:match('^(%d+) (%d+)$')
  local t = task(h.idx)
  t.split = true
  splits[h.idx] = {items = tonumber(items), max = tonumber(max), cursor = 0, ended = 0, running = 0, again = 0,
    reported = 0, name = name, added = {}, removed = {}, removals = 0}
  skip_stored(h.idx)
  follow_elements(h.idx)
end

-- Removes the node of a lapsed claim from the queue.
local function dequeue(h, token)
  local field = 'x:' .. key_of(h.idx, h.item)
  local place = out.keep[field] or call('HGET', COORD, field)
  out.keep[field] = nil
  out.forget[#out.forget + 1] = field
  place = place and place:sub(#token + 1)
  if place == 'A' then
    if task(h.idx).split then
      remove_again(h.idx, h.item)
      line_up_elements(h.idx)
    end
  elseif place and place ~= '' then
    leave(place)
  end
end

-- Returns a node to be handed out again: at once, later, after others, or after its elements.
local function return_node(h, n, kind, name, payload)
  if kind == AS_RETRY then
    n.attempt = n.attempt + 1
    if tonumber(payload) > 0 then
      out.due['d' .. key_of(h.idx, h.item)] = now + tonumber(payload)
    elseif not run.stop then
      line_up(h.idx, h.item)
    end
  elseif kind == AS_RELEASE then
    n.tainted = false
    line_up(h.idx, h.item)
  elseif kind == AS_AWAIT then
    await(h, n, payload)
  elseif kind == AS_EXPAND then
    expand(h, name, payload)
  end
end

-- Settles one node, if the token still holds it.
local function settle(token, kind, name, payload)
  local h = claim_of(token)
  if not h or h.gone or h.host ~= me or run.state ~= 'running' then return NOT_HELD end
  local n = node_of(h)
  -- A lapsed claim is still its holder's until another host takes over. Its node is queued, so withdraw it.
  if h.lapsed then
    dequeue(h, token)
  else
    run.live = run.live - 1
    out.undue['l' .. token] = true
    change_usage(h, -1)
  end
  h.gone = true
  -- Only a release keeps the count of takeovers: all else shows that the host survived the task.
  if n then
    if kind ~= AS_RELEASE then n.takeovers = 0 end
    n.lapsed, n.phase, n.dirty = false, WAITING, true
  end
  if kind == AS_DONE then
    out.results[#out.results + 1] = name
    out.results[#out.results + 1] = payload
    finish(h, DONE)
  elseif kind == AS_SKIPPED then
    out.skipped[#out.skipped + 1] = name
    out.skipped[#out.skipped + 1] = payload
    finish(h, DROPPED)
  elseif kind == AS_FAILED then
    out.failed[#out.failed + 1] = name
    out.failed[#out.failed + 1] = payload
    finish(h, BROKEN)
  elseif kind == AS_PASSED then
    finish(h, DONE)
  elseif n then
    -- An element of a task that has ended meanwhile has no node to return.
    return_node(h, n, kind, name, payload)
  end
  return COMMITTED
end
