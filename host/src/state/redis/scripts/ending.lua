-- The ending of a run with finally tasks: it is fixed once nothing else can run, and these tasks follow.
do
  -- Pending propagation, beside that in `formats`: places of tasks with deadlines to forget.
  ending.PLACES_LEFT = 4

  -- The first finally task, and where the list of those that wait for the ending lies among the edges.
  local first, edge, edges

  local function read()
    if first then return end
    first, edge, edges = call('HGET', COORD, 'finally'):match('^(%d+) (%d+) (%d+)$')
    first = tonumber(first)
  end

  -- Drops whatever else is queued, delayed or awaited. No claim is held, and those that have lapsed are lost.
  local function drop_all()
    for _, e in pairs(entries) do e.out = true end
    for _, s in pairs(splits) do
      s.place, s.added, s.removed, s.ready, s.upcoming = nil, {}, {}, 0, nil
      s.additions, s.removals = 0, 0
    end
    entries, fresh = {}, {fast = {}}
    for i = #pending_propagation, 1, -1 do pending_propagation[i] = nil end
    run.props, run.lanes, run.fast = '', {}, 0
    out.enter, out.leave, out.due, out.undue = {}, {}, {}, {}
    out.drops_all = true
  end

  -- Forgets where the tasks of a deadline, and of those after it, were queued, within the step's budget. Finally tasks
  -- are queued now.
  function ending.forget_places(number, position)
    read()
    local list = deadlines.tasks_of(number)
    while list do
      while position <= #list do
        if budget == 0 then
          pending_propagation[#pending_propagation + 1] = {ending.PLACES_LEFT, number, position}
          return
        end
        budget = budget - 1
        local idx = unpack_bytes(INDEX, list, position)
        if idx < first then deadlines.forget_place(idx) end
        position = position + INDEX_BYTES
      end
      number, position = number + 1, 1
      list = deadlines.tasks_of(number)
    end
  end

  -- Fixes the ending, and hands on to the finally tasks.
  function ending.begin(status)
    read()
    drop_all()
    run.ending, run.stop, run.deadline, must_wake = status, nil, nil, true
    ending.hand_on(tonumber(edge), tonumber(edges))
    ending.forget_places(0, 1)
  end

  -- Returns whether a claim was lost when the ending began.
  function ending.has_dropped(h)
    if not run.ending then return false end
    read()
    return h.idx < first or h.idx == run.closing
  end
end
