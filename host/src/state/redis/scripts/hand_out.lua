-- The scheduler: hands out nodes that need no slot first, then the best ones for which there are slots and resources.
local claims, blocked = {}, {}

-- In a block, because a script has at most 200 local variables at its top.
local hand_out
do
  -- Returns what a node is offered as hosts read it: the call in hexadecimal digits, and whether there is a result.
  local function offer_text(name)
    local offer = offers.of(name)
    if not offer then return '' end
    local digits = offer.call:gsub('.', function(byte) return string.format('%02x', byte:byte()) end)
    return digits .. (offer.result and '1' or '0')
  end

  -- Claims a node for this host; false if the node or its task has ended.
  local function claim(prefix, first, idx, path)
    local t = task(idx)
    local n = t.phase < DONE and node(idx, path)
    if not n then return false end
    local stage = IS_READY
    if n.split then stage = IS_EXPANDED elseif t.closing then stage = IS_CLOSING
    elseif t.ends_at_once then stage = IS_OVERDUE elseif n.tainted then stage = IS_TAINTED
    elseif t.overdue then stage = IS_OVERDUE end
    local from = ''
    if n.lapsed then
      local field = 'x:' .. key_of(idx, path)
      local old = (out.keep[field] or call('HGET', COORD, field) or ''):sub(1, 16)
      out.keep[field] = nil
      out.forget[#out.forget + 1] = field
      local h = claim_of(old)
      if h then
        from, h.gone = h.host, true
        n.takeovers = n.takeovers + 1
      end
    end
    -- From here on the token holds the node, with a lease.
    n.phase, n.reported, n.lapsed, n.dirty = CLAIMED, false, false, true
    local token = token_of(prefix, first + #claims)
    local h = {idx = idx, path = path, stage = stage, host = me, dirty = true}
    claims_held[token] = h
    change_usage(h, 1)
    run.live = run.live + 1
    out.due['l' .. token] = now + lease
    local s = stage == IS_EXPANDED and split_of(idx, path)
    local items = s and s.items or 0
    local offer, elements = '', 0
    if (stage == IS_READY or stage == IS_OVERDUE) and path ~= '' and is_expandable(t, path) then
      elements = expanded.beside(idx, path)
    elseif stage == IS_READY and t.offers then
      offer = offer_text(name_of(idx, path))
    end
    local deadline, left = -1, 0
    if t.timed and path == '' then deadlines.forget_place(idx) end
    if t.timed and (stage == IS_READY or stage == IS_OVERDUE) then deadline, left = deadlines.start(idx) end
    claims[#claims + 1] = {token, idx, path_text(path), n.attempt, n.takeovers, from, stage, items,
      iterations_of(idx, path), offer, elements, deadline, left, s and s.kept and 1 or 0}
    return true
  end

  -- The totals of each live host of the run.
  local hosts_have
  local function host_totals()
    if not hosts_have then
      local names, list = {}, {}
      for _, host in ipairs(call('ZRANGEBYSCORE', HOSTS, '(' .. now, '(inf')) do names[#names + 1] = 'o:' .. host end
      for _, text in ipairs(#names > 0 and call('HMGET', COORD, unpack(names)) or {}) do
        if text then list[#list + 1] = amounts(text) end
      end
      hosts_have = list
    end
    return hosts_have
  end

  -- Returns whether another live host could run the class and has more than `amount` of a resource.
  local function has_larger_host(class, resource, amount)
    for _, have in ipairs(host_totals()) do
      local is_better = (have[resource + 1] or 0) > amount
      for _, d in ipairs(demand(class)) do
        is_better = is_better and (d[3] ~= OWN or d[2] <= (have[d[1] + 1] or 0))
      end
      if is_better then return true end
    end
    return false
  end

  -- Attempts that have grown, and so take more of the elastic resource than their class says. A table, because a script
  -- has at most 200 local variables.
  -- max_passed: most nodes of a class that one reply passes over because they are left to a larger host.
  local grown = {max_passed = 16}

  -- Returns the demand of a class for the elastic resource, if it grows with attempts, or nil.
  function grown.demand(class)
    for _, d in ipairs(demand(class)) do
      if d[5] then return d end
    end
  end

  -- Returns how much a node takes of the elastic resource if its attempts have grown, or nil.
  function grown.amount(d, n) return n and d[5][math.min(math.floor(n.attempt / STEP) % 16, #d[5])] end

  -- Returns whether a node that takes `larger` is left to a host that has more: this one never has enough.
  function grown.is_left(class, d, larger, have)
    local is_here = have[d[1] + 1] or 0
    return larger and larger > is_here and has_larger_host(class, d[1], is_here)
  end

  function grown.report_element(s, item, resource)
    if s.reported <= item then
      s.reported = item + 1
      blocked[#blocked + 1] = {s.idx, path_text(child(s.path, item)), resource}
    end
  end

  -- Returns the next element that this host may take, whether it is among those that are ready, and how much it takes
  -- if its attempts have grown; nil if all are left to a larger host.
  function grown.pick_element(e, have)
    local s, d = split_of(e.idx, e.path), grown.demand(e.class)
    local item = first_ready(s)
    if not d or not item then return item or s.cursor, item ~= nil end
    for i = s.next_upcoming, math.min(#s.upcoming, s.next_upcoming + grown.max_passed - 1) do
      item = s.upcoming[i]
      local larger = grown.amount(d, element_record(key_of(e.idx, child(e.path, item))))
      if not grown.is_left(e.class, d, larger, have) then return item, true, larger end
      grown.report_element(s, item, d[1])
    end
    -- Elements from the cursor on have not been attempted.
    if s.cursor < s.items then return s.cursor, false end
  end

  -- Returns how much the node of an entry takes if its attempts have grown, and whether it is left to a larger host.
  function grown.of(e, have)
    local d = grown.demand(e.class)
    if not d then return nil, false end
    local larger = grown.amount(d, e.path == '' and task(e.idx) or element_record(key_of(e.idx, e.path)))
    return larger, grown.is_left(e.class, d, larger, have)
  end

  -- Admission: returns the first resource that is short for a class, or nil. `larger` takes the place of what the class
  -- says of the elastic resource.
  local function shortage(class, larger, free, have)
    for _, d in ipairs(demand(class)) do
      local resource, amount, scope, total = d[1], d[3] == ELASTIC and larger or d[2], d[3], d[4]
      local is_free, is_here = free[resource + 1] or 0, have[resource + 1] or 0
      -- Shared resources are counted in `u`, over all hosts.
      if scope == SHARED then
        if (shared_usage()['r' .. resource] or 0) + amount > total then return resource end
      elseif amount <= is_here then
        if amount > is_free then return resource end
      -- The class needs more than this host's total. An elastic resource is then taken completely, if all of it is free
      -- here and no other live host has more.
      elseif scope == OWN or is_here > is_free or has_larger_host(class, resource, is_here) then
        return resource
      end
    end
  end

  -- Reports the nodes that a blocked lane would have handed out, each once.
  local function report_blocked(list, first, resource, slots)
    for i = first, math.min(#list, first + slots - 1) do
      local e = list[i]
      local t = task(e.idx)
      -- Entries that are out were handed out before the lane was found to be blocked.
      if not e.out and e.all then
        local s = split_of(e.idx, e.path)
        grown.report_element(s, first_ready(s) or s.cursor, resource)
      elseif not e.out and not t.reported then
        t.reported, t.dirty = true, true
        blocked[#blocked + 1] = {e.idx, '', resource}
      end
    end
  end

  -- Takes an element that is ready, or the one at the cursor. Returns its path.
  local function take_element(idx, path, item, is_ready)
    local s = split_of(idx, path)
    if is_ready then
      remove_ready(s, item)
      return child(path, item)
    end
    local element = child(path, s.cursor)
    s.cursor = s.cursor + 1
    nodes[key_of(idx, element)] = new_element()
    scan(idx, path)
    line_up_elements(idx, path)
    return element
  end

  -- Hands out the elements of an overdue node.
  local function hand_out_overdue(prefix, first, e)
    while not e.out and #claims < MAX_SLOTLESS_CLAIMS do
      local item = first_ready(split_of(e.idx, e.path))
      claim(prefix, first, e.idx, take_element(e.idx, e.path, item, item ~= nil))
      line_up_elements(e.idx, e.path)
    end
  end

  -- Hands out up to `slots` nodes, best rank first over all lanes.
  function hand_out(prefix, first, slots, free, have)
    if run.state ~= 'running' or ends_now() then return end
    -- Tainted, expanded and overdue nodes take neither slots nor resources.
    if run.fast > 0 then
      for i, e in ipairs(lane('F', 'G', MAX_SLOTLESS_CLAIMS, run.fast, fresh.fast)) do
        if i > MAX_SLOTLESS_CLAIMS then break end
        if e.all then
          hand_out_overdue(prefix, first, e)
        elseif #claims < MAX_SLOTLESS_CLAIMS then
          leave(e.member)
          claim(prefix, first, e.idx, e.path)
        end
      end
    end
    if run.stop or slots == 0 then return end
    -- One sorted list per class, long enough for all slots.
    local lanes = {}
    for class, count in pairs(run.lanes) do
      if count > 0 then
        local low = 'L' .. pack(CLASS, class)
        local high = class == 65535 and 'M' or 'L' .. pack(CLASS, class + 1)
        local most = slots + (grown.demand(class) and grown.max_passed or 0)
        lanes[class] = {list = lane(low, high, most, count, fresh[class]), idx = 1, passed = 0}
      end
    end
    while slots > 0 do
      -- The best head of all lanes goes next.
      local best, best_lane
      for _, l in pairs(lanes) do
        while l.list[l.idx] and l.list[l.idx].out do l.idx = l.idx + 1 end
        local e = l.list[l.idx]
        if e and (not best or is_before(e, best)) then best, best_lane = e, l end
      end
      if not best then return end
      local item, is_ready, larger, is_passed
      if best.all then
        item, is_ready, larger = grown.pick_element(best, have)
        is_passed = item == nil
      else
        larger, is_passed = grown.of(best, have)
      end
      local resource = not is_passed and shortage(best.class, larger, free, have)
      if is_passed and best_lane.passed < grown.max_passed then
        -- What is left to a larger host keeps nothing else from this one.
        report_blocked(best_lane.list, best_lane.idx, grown.demand(best.class)[1], 1)
        best_lane.idx, best_lane.passed = best_lane.idx + 1, best_lane.passed + 1
      elseif is_passed or resource then
        -- Any other blocked head blocks its whole lane: all of its nodes need the same resources.
        report_blocked(best_lane.list, best_lane.idx, resource or grown.demand(best.class)[1], slots)
        lanes[best.class] = nil
      else
        local path = best.path
        if best.all then path = take_element(best.idx, path, item, is_ready) else leave(best.member) end
        if claim(prefix, first, best.idx, path) then
          slots = slots - 1
          for _, d in ipairs(demand(best.class)) do
            local idx = d[1] + 1
            local cost = d[3] == ELASTIC and math.min(larger or d[2], have[idx] or 0) or d[2]
            if d[3] ~= SHARED then free[idx] = (free[idx] or 0) - cost end
          end
        end
      end
    end
  end
end
