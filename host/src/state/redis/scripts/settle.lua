-- Settlements: stores results, counts down dependents, and queues nodes again.
local pending_propagation, deadlines, ending = {}, {}, {}
-- In a block, because a script has at most 200 local variables at its top.
local scan, continue_propagation, dequeue, settle
do
  -- A failure of a finally task changes nothing for the others.
  local function fail()
    if run.ending then return end
    run.failed = '1'
    if not run.stop and run.policy ~= 'keep-going' then
      run.stop = run.policy == 'fail-fast' and 'fail-fast' or 'failure'
      must_wake = true
    end
  end

  -- Counts down a node, because something that it waits for has come.
  local function count_down(idx, path, is_done)
    local t = task(idx)
    if not t or not t.wanted or t.phase >= DONE then return end
    local n = t
    if path ~= '' then
      local around, item = split_last(path)
      local s = split_of(idx, around)
      -- The elements of a node that is not expanded yet, or is being scanned, are counted by the scan.
      -- If a deadline ends the elements at once, they wait for nothing.
      if not s or item >= s.cursor or t.ends_at_once or t.kept and element_phase(idx, path) then return end
      local waits = element_waits(t, idx, path)
      -- Most elements wait for one other: they are ready now, and cost no record before they are claimed.
      if waits == 1 and is_done then
        add_ready(s, item)
        line_up_elements(idx, around)
        return
      end
      local key = key_of(idx, path)
      n = element_record(key)
      if not n then
        n = {phase = WAITING, takeovers = 0, left = waits, attempt = 1}
        nodes[key] = n
      end
    end
    n.left = math.max(n.left - 1, 0)
    n.tainted = n.tainted or not is_done
    n.dirty = true
    if n.left == 0 and n.phase == WAITING then line_up(idx, path) end
  end

  -- Counts down a node that has asked to wait for another.
  local function wake_waiter(idx, path, is_done)
    local t = task(idx)
    local n = t and t.phase < DONE and node(idx, path)
    if not n then return end
    n.left = math.max(n.left - 1, 0)
    n.tainted = n.tainted or not is_done
    n.dirty = true
    if n.left == 0 and n.phase == WAITING then line_up(idx, path) end
  end

  -- Follows the edges of an ended task within the step's budget; the rest waits in `pending_propagation`.
  local function follow(edge, edges, is_done)
    local count = math.min(edges, budget)
    budget = budget - count
    if count > 0 then
      local raw = call('GETRANGE', EDGES, edge * EDGE_BYTES, (edge + count) * EDGE_BYTES - 1)
      for i = 0, count - 1 do count_down(unpack_bytes(EDGE, raw, i * EDGE_BYTES + 1), '', is_done) end
    end
    if count < edges then
      pending_propagation[#pending_propagation + 1] = {EDGES_LEFT, edge + count, edges - count, is_done and 1 or 0}
    end
  end

  -- Counts down the finally tasks, which wait for the ending.
  function ending.hand_on(edge, edges) follow(edge, edges, true) end

  -- Follows the edges between elements that begin at a node.
  local function follow_leads(t, idx, path, on, is_done)
    if not t.leads then return end
    for _, e in ipairs(edges_of('e:', idx)) do
      if e.bytes == #path and e.on == on then count_down(e.idx, path, is_done) end
    end
  end

  -- Returns a bound on the elements of a node that have ended, or were expanded: those from it on have not been
  -- claimed. `bounds` has those that are known.
  local function claimed_below(source, path, bounds)
    local idx, t = source.idx, task(source.idx)
    if t.phase >= DONE or t.kept then return math.huge end
    local s = split_of(idx, path)
    if not s then return path ~= '' and element_phase(idx, path) and math.huge or 0 end
    if source.on == ON_ENDED and s.ended == 0 then return 0 end
    if bounds[idx] then return bounds[idx] end
    -- The cursor hands out elements in order. Those that wait for others were not claimed before these.
    local below = s.cursor
    for _, before in ipairs(t.follows and edges_of('i:', idx) or {}) do
      if before.bytes == #path + INDEX_BYTES then below = math.min(below, claimed_below(before, path, bounds)) end
    end
    bounds[idx] = below
    return below
  end

  -- Counts what an element waits for and has come before the node around it was expanded.
  local function count_sources(idx, path, s, item)
    local waits, left, tainted = 0, 0, false
    for _, source in ipairs(edges_of('i:', idx)) do
      if source.bytes == #path then
        waits, left = waits + 1, left + 1
        local phase = element_phase(source.idx, path)
        local is_expanded = source.on == ON_EXPANDED and split_of(source.idx, path) ~= nil
        if phase or is_expanded then left = left - 1 end
        if phase and phase ~= DONE then tainted = true end
      end
    end
    if left == waits then return end
    if left == 0 and not tainted then
      add_ready(s, item)
      line_up_elements(idx, s.path)
      return
    end
    local n = {phase = WAITING, takeovers = 0, left = left, attempt = 1, tainted = tainted, dirty = true}
    nodes[key_of(idx, path)] = n
    if left == 0 then line_up(idx, path) end
  end

  -- Moves the cursor past elements that have ended. Elements that wait for others are not handed out by the cursor: it
  -- is moved to the end, and what has come for each of them is counted.
  function scan(idx, path)
    local t, s = task(idx), split_of(idx, path)
    local waits = t.ends_at_once and 0 or element_waits(t, idx, child(path, 0))
    s.scanning = false
    if waits == 0 and not t.kept then return end
    -- For elements from here on, nothing has come.
    local below = t.kept and s.items or 0
    if waits > 0 and not t.kept then
      local bounds = {}
      for _, source in ipairs(edges_of('i:', idx)) do
        if source.bytes == #path + INDEX_BYTES then below = math.max(below, claimed_below(source, path, bounds)) end
      end
    end
    while s.cursor < math.min(below, s.items) do
      if budget == 0 then
        s.scanning = true
        pending_propagation[#pending_propagation + 1] = {ELEMENTS_LEFT, idx, path, 0}
        return
      end
      budget = budget - 1
      local item = s.cursor
      local element = child(path, item)
      local has_ended = t.kept and element_phase(idx, element)
      if not has_ended and waits == 0 then return end
      s.cursor = item + 1
      if has_ended then s.ended = s.ended + 1 else count_sources(idx, element, s, item) end
    end
    s.cursor = s.items
  end

  -- Queues the node if all elements have ended, or else its next elements.
  local function follow_elements(idx, path)
    local n, s = node(idx, path), split_of(idx, path)
    if s.ended == s.items and n.phase == WAITING then line_up(idx, path) else line_up_elements(idx, path) end
  end

  -- Continues the propagation that earlier steps left.
  function continue_propagation()
    local waiting = run.props == '' and {} or cmsgpack.unpack(run.props)
    run.props = ''
    for _, p in ipairs(waiting) do
      if p[1] == EDGES_LEFT then
        follow(p[2], p[3], p[4] == 1)
      elseif p[1] == OVERDUE_TASKS or p[1] == OVERDUE_ELEMENTS then
        deadlines.continue(p)
      elseif p[1] == ending.PLACES_LEFT then
        ending.forget_places(p[2], p[3])
      elseif task(p[2]).phase < DONE and split_of(p[2], p[3]) then
        scan(p[2], p[3])
        follow_elements(p[2], p[3])
      end
    end
  end

  -- Drops the expanded nodes within a node that has ended. If a deadline has passed, some are queued among the nodes
  -- that need no slot, which are handed out also after a failure that stops the run.
  local function drop_inner(t, idx, path)
    local function is_within(other) return #other > #path and other:sub(1, #path) == path end
    for key, s in pairs(splits) do
      if s.idx == idx and is_within(s.path) then
        if s.place then leave(s.place) end
        splits[key] = nil
      end
    end
    if not t.overdue or run.fast == 0 then return end
    for _, e in ipairs(lane('F', 'G', run.fast, run.fast, fresh.fast)) do
      if e.idx == idx and is_within(e.path) then leave(e.member) end
    end
  end

  -- Drops the elements of a node that has ended.
  local function drop_elements(idx, path, n)
    local s = split_of(idx, path)
    if not s then return end
    if s.place then leave(s.place) end
    out.clear[#out.clear + 1] = s
    splits[key_of(idx, path)], n.split = nil, false
    local t = task(idx)
    if #path + INDEX_BYTES < t.depth * INDEX_BYTES then drop_inner(t, idx, path) end
  end

  -- Counts down the nodes that wait for one by `select`, beyond the plan's edges.
  local function wake_waiters(t, idx, path, is_done)
    if not t.waited then return end
    local field = 'w:' .. key_of(idx, path)
    local waiters = out.waiters and out.waiters[field] or call('HGET', COORD, field) or ''
    if waiters == '' then return end
    out.forget[#out.forget + 1] = field
    if out.waiters then out.waiters[field] = nil end
    local position = 1
    while position <= #waiters do
      local waiter, waiter_path, after = unpack_node(waiters, position)
      position = after
      wake_waiter(waiter, waiter_path, is_done)
    end
  end

  -- Ends a node: drops its elements, and counts down those that wait for it.
  local function end_node(idx, path, phase, stores_nothing)
    local t = task(idx)
    local n = node(idx, path)
    local was_split = n and n.split
    if was_split then
      drop_elements(idx, path, n)
      change_running(idx, path, -1)
    end
    local is_done = phase == DONE
    if t.repeats and iterations_of(idx, path) > 0 then out.forget[#out.forget + 1] = 'v:' .. key_of(idx, path) end
    if path == '' then
      t.phase, t.dirty = phase, true
      -- The closing node is not a task, and is not counted.
      if t.closing then return end
      run.open = run.open - 1
      if run.ending then run.finals = run.finals - 1 end
      if phase == BROKEN then run.failures = run.failures + 1 end
      if phase == DROPPED then run.skips = run.skips + 1 end
      if t.edges > 0 then follow(t.edge, t.edges, is_done) end
    else
      ended_now[key_of(idx, path)] = phase
      if n then
        n.phase, n.dirty = phase, true
        n.gone = not stores_nothing
      end
    end
    follow_leads(t, idx, path, ON_ENDED, is_done)
    if not was_split then follow_leads(t, idx, path, ON_EXPANDED, is_done) end
    wake_waiters(t, idx, path, is_done)
  end

  -- Counts an element that has ended. The node around it is queued after the last one, or after a failure that stops
  -- the run.
  local function count_element(idx, around, stops, is_new)
    local s = split_of(idx, around)
    if not s then return end
    s.ended, s.kept = s.ended + 1, s.kept and not is_new
    if (s.ended == s.items or stops) and node(idx, around).phase == WAITING then line_up(idx, around) end
  end

  local function finish(h, phase, reason)
    if phase == BROKEN then fail() end
    -- A node follows its first failed element at once, so that the run can end.
    if h.path ~= '' then
      local has_failed = phase == BROKEN or reason == 'UpstreamFailed'
      local stops = has_failed and run.policy ~= 'keep-going' and not run.ending
      -- A node around elements that stores nothing is new if one of them is.
      local s = reason == AS_PASSED and split_of(h.idx, h.path)
      local is_new = phase ~= DROPPED and not (s and s.kept)
      count_element(h.idx, (split_last(h.path)), stops, is_new)
    end
    end_node(h.idx, h.path, phase, reason == AS_PASSED)
  end

  -- Makes a node wait for further nodes, each a task and its path. Ended ones do not count, but taint it unless they
  -- are done.
  local function await(h, n, list)
    local seen = {}
    for other in list:gmatch('[^,]+') do
      local idx, path = other:match('^(%d+)(.*)$')
      idx, path = tonumber(idx), path_of(path)
      local t = task(idx)
      local key = key_of(idx, path)
      if t and not seen[key] then
        seen[key] = true
        local phase
        if path == '' then phase = t.phase >= DONE and t.phase or nil else phase = element_phase(idx, path) end
        if t.wanted and not phase then
          n.left = n.left + 1
          out.waiters = out.waiters or {}
          local field = 'w:' .. key
          out.waiters[field] = (out.waiters[field] or call('HGET', COORD, field) or '') .. key_of(h.idx, h.path)
          t.waited, t.dirty = true, true
        elseif phase ~= DONE then
          n.tainted = true
        end
      end
    end
    if n.left == 0 or task(h.idx).ends_at_once then line_up(h.idx, h.path) end
  end

  -- Expands a node into elements. They have no records yet: the cursor hands them out in order, or they become ready
  -- when what they wait for has come.
  local function expand(h, n, numbers)
    local items, max, bound = numbers:match('^(%d+) (%d+) (%d+)$')
    -- Elements of elements are bounded together. A host that did not know of the others learns of them by its next
    -- claim.
    if h.path ~= '' then
      local together = expanded.beside(h.idx, h.path) + tonumber(items)
      if together > tonumber(bound) then return line_up(h.idx, h.path) end
      out.keep[expanded.field(h.idx, h.path)] = together
    end
    n.split, n.dirty = true, true
    splits[key_of(h.idx, h.path)] = {idx = h.idx, path = h.path, items = tonumber(items), max = tonumber(max),
      cursor = 0, ended = 0, running = 0, ready = 0, reported = 0, added = {}, additions = 0, removed = {},
      removals = 0, kept = task(h.idx).kept and tonumber(items) > 0}
    change_running(h.idx, h.path, 1)
    follow_leads(task(h.idx), h.idx, h.path, ON_EXPANDED, true)
    scan(h.idx, h.path)
    follow_elements(h.idx, h.path)
  end

  -- Removes the node of a lapsed claim from the queue.
  function dequeue(h, token)
    local field = 'x:' .. key_of(h.idx, h.path)
    local place = out.keep[field] or call('HGET', COORD, field)
    out.keep[field] = nil
    out.forget[#out.forget + 1] = field
    place = place and place:sub(#token + 1)
    if place == 'A' then
      local around, item = split_last(h.path)
      local s = split_of(h.idx, around)
      if s then
        remove_ready(s, item)
        line_up_elements(h.idx, around)
      end
    elseif place and place ~= '' then
      leave(place)
      if h.path == '' and task(h.idx).timed then deadlines.forget_place(h.idx) end
    end
  end

  -- Counts an iteration of a node, which is queued for the next one.
  local function iterate(h, n)
    local key = key_of(h.idx, h.path)
    iterations[key] = iterations_of(h.idx, h.path) + 1
    out.keep['v:' .. key] = iterations[key]
    n.attempt = 1
    line_up(h.idx, h.path)
  end

  -- Stores what a node is offered. Without a result, the node is queued for the next iteration.
  function offers.accept(h, n, name)
    local offer, count = offers.of(name), 0
    if offer then
      offers.take(name, offer)
      for i = 0, offer.count - 1 do
        local iteration = name .. '@' .. i
        local value = call('HGET', OFFERS, iteration)
        if not value then break end
        out.results[#out.results + 1] = iteration
        out.results[#out.results + 1] = value
        count = i + 1
      end
      if offer.result then
        out.results[#out.results + 1] = name
        out.results[#out.results + 1] = offer.result
        -- A value of a MessagePack extension type is the hole of an element that failed (`state/hole.rs`).
        local first = offer.result:byte(1) or 0
        if first >= 199 and first <= 201 then
          out.skipped[#out.skipped + 1] = name
          out.skipped[#out.skipped + 1] = 'ElementFailed'
        end
        return finish(h, DONE)
      end
      local key = key_of(h.idx, h.path)
      iterations[key], out.keep['v:' .. key] = count, count
    end
    if n then line_up(h.idx, h.path) end
  end

  -- Returns a node to be handed out again: at once, later, after others, or after its elements.
  local function return_node(h, n, kind, payload)
    if kind == AS_RETRY then
      local delay, step = payload:match('^(%d+) (%d+)$')
      n.attempt = math.min(n.attempt % STEP + 1, STEP - 1) + STEP * tonumber(step)
      local is_overdue = task(h.idx).overdue
      if tonumber(delay) > 0 and not is_overdue then
        out.due['d' .. key_of(h.idx, h.path)] = now + tonumber(delay)
      elseif not run.stop or is_overdue then
        line_up(h.idx, h.path)
      end
    elseif kind == AS_RELEASE then
      n.tainted = false
      line_up(h.idx, h.path)
    elseif kind == AS_AWAIT then
      await(h, n, payload)
    elseif kind == AS_EXPAND then
      expand(h, n, payload)
    end
  end

  -- Settles one node, if the token still holds it.
  function settle(token, kind, name, payload)
    local h = claim_of(token)
    if not h or h.gone or h.host ~= me or run.state ~= 'running' or ending.has_dropped(h) then return NOT_HELD end
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
    -- A new result takes the place of what the node was offered.
    if (kind == AS_DONE or kind == AS_LEFT_OUT or kind == AS_ITERATED) and task(h.idx).offers then
      local of_node = kind == AS_ITERATED and name:match('^(.*)@%d+$') or name
      local offer = offers.of(of_node)
      if offer then offers.take(of_node, offer) end
    end
    if kind == AS_DONE then
      out.results[#out.results + 1] = name
      out.results[#out.results + 1] = payload
      finish(h, DONE)
    elseif kind == AS_SKIPPED then
      out.skipped[#out.skipped + 1] = name
      out.skipped[#out.skipped + 1] = payload
      finish(h, DROPPED, payload)
    elseif kind == AS_LEFT_OUT then
      local reason, hole = payload:match('^(%a+)%z(.*)$')
      out.results[#out.results + 1] = name
      out.results[#out.results + 1] = hole
      out.skipped[#out.skipped + 1] = name
      out.skipped[#out.skipped + 1] = reason
      finish(h, DONE)
    elseif kind == AS_FAILED then
      out.failed[#out.failed + 1] = name
      out.failed[#out.failed + 1] = payload
      finish(h, BROKEN)
    elseif kind == AS_ITERATED then
      out.results[#out.results + 1] = name
      out.results[#out.results + 1] = payload
      if n then iterate(h, n) end
    elseif kind == AS_ACCEPTED then
      offers.accept(h, n, name)
    elseif kind == AS_PASSED then
      finish(h, DONE, AS_PASSED)
    elseif n then
      -- An element of a task that has ended meanwhile has no node to return.
      return_node(h, n, kind, payload)
    end
    return COMMITTED
  end
end
