-- The fast path of commits: results of simple tasks, in exchange for other simple tasks of one class.
-- Its effects are the same as those of the general parts below, with a fraction of the work: no closures or records for
-- cases that do not occur. Before writing anything, it leaves every other commit to the general parts.
if command == 'commit' then
  local count = (#ARGV - 12) / 4
  local pages, tasks = {}, {}
  -- The only lane with queued nodes, and its length.
  local class, stored = nil, 0
  local arrived, seq, edges_left = {}, run.seq, budget
  local results, unheld, undue = {}, {}, {}
  local claims, holds, dues, left, entering = {}, {}, {}, {}, {}

  -- A record as it is unpacked: 1 phase, 2 flags, 3 takeovers, 4 open dependencies, 5 attempt, 6 kind, 7 levels of elements, 8 class, 9
  -- order, 10 first edge, 11 edges, 12 whether it has changed.
  local function task(idx)
    local t = tasks[idx]
    if t then return t end
    local page = (idx - idx % PAGE) / PAGE
    local raw = pages[page]
    if not raw then
      raw = call('GETRANGE', TASKS, page * PAGE_BYTES, (page + 1) * PAGE_BYTES - 1)
      pages[page] = raw
    end
    local start = idx % PAGE * RECORD_BYTES + 1
    if #raw < start + RECORD_BYTES - 1 then return nil end
    t = {unpack_bytes(RECORD, raw, start)}
    t[12] = false
    tasks[idx] = t
    return t
  end

  -- A simple task runs once, takes no shared resource, and is neither expanded, awaited nor lapsed.
  local most_flags, plain, plain_and_kept = FLAG_TAINTED + FLAG_REPORTED, KIND_WANTED, KIND_WANTED + KIND_KEPT
  local function is_simple(t)
    return t and t[2] <= most_flags and t[7] == 0 and (t[6] == plain or t[6] == plain_and_kept)
  end

  -- Cheap checks that need almost no reads: a running run, one lane, only results, and no timer due.
  local function may_be_simple()
    if run.state ~= 'running' or run.stop or run.props ~= '' or run.fast > 0 then return false end
    -- The general path decides whether the run ends.
    if run.open <= count or count > MAX_CLAIMS then return false end
    for of, length in pairs(run.lanes) do
      if length > 0 then
        if class then return false end
        class, stored = of, length
      end
    end
    for i = 14, #ARGV, 4 do
      if ARGV[i] ~= AS_DONE then return false end
    end
    return #call('ZRANGEBYSCORE', TIMES, '-inf', now, 'LIMIT', 0, 1) == 0
  end

  -- Settles the held claims, and counts down their dependents.
  local function settle(held)
    for i = 1, count do
      local arg, claim = i * 4 + 9, held[i + 1]
      if not claim then return false end
      -- Each token must be held by this host, unlapsed, for a task in its first stage.
      local idx, stage, _, is_lapsed, length = unpack_bytes(CLAIM, claim)
      if length ~= 0 or stage ~= IS_READY or is_lapsed ~= 0 or claim:sub(CLAIM_BYTES + 1) ~= me then return false end
      local t = task(idx)
      if not is_simple(t) or t[1] ~= CLAIMED then return false end
      t[1], t[3], t[12] = DONE, 0, true
      -- Collect the writes: results, and the claims and leases to remove.
      results[i * 2 - 1], results[i * 2] = ARGV[arg + 2], ARGV[arg + 3]
      unheld[i], undue[i] = 'h:' .. ARGV[arg], 'l' .. ARGV[arg]
      local edge, edges = t[10], t[11]
      edges_left = edges_left - edges
      if edges_left < 0 then return false end
      local raw = edges > 0 and call('GETRANGE', EDGES, edge * EDGE_BYTES, (edge + edges) * EDGE_BYTES - 1)
      -- Follow the edges. Bit 1 of the kind marks wanted tasks; an ended task needs no count.
      for k = 1, edges * EDGE_BYTES, EDGE_BYTES do
        local next_at = unpack_bytes(EDGE, raw, k)
        local other = task(next_at)
        if other and other[6] % 2 == 1 and other[1] < DONE then
          if other[4] > 0 then other[4] = other[4] - 1 end
          other[12] = true
          if other[4] == 0 and other[1] == WAITING then
            -- A dependent that is now ready enters the queue, if it is simple and of the same class.
            if other[2] ~= 0 or not is_simple(other) or class and other[8] ~= class then return false end
            class, other[1] = other[8], QUEUED
            seq = seq + 1
            arrived[#arrived + 1] = {other[9], seq, next_at}
          end
        end
      end
    end
    return true
  end

  -- Queue order: by rank, then by arrival.
  local function is_before(left_entry, other)
    if left_entry[1] ~= other[1] then return left_entry[1] < other[1] end
    return left_entry[2] < other[2]
  end

  -- Hands out the best nodes among new arrivals and the queued ones of the lane.
  local function hand_out()
    local slots = math.min(tonumber(ARGV[8]), stored + #arrived)
    if slots > MAX_CLAIMS then return false end
    local raw = slots > 0 and call('HGET', COORD, 'c:' .. class)
    local demand = raw and cmsgpack.unpack(raw) or {}
    -- Admission: the host must have the resources for all slots at once. Shared resources need the general path.
    if #demand > 0 then
      local free, have = amounts(ARGV[9]), amounts(ARGV[10])
      for _, d in ipairs(demand) do
        local idx = d[1] + 1
        if d[3] == SHARED or (free[idx] or 0) < d[2] * slots or (have[idx] or 0) < d[2] then return false end
      end
    end
    if #arrived > 1 then table.sort(arrived, is_before) end
    -- Read as many queued nodes as there are slots. Members sort by bytes, which is by order and sequence.
    local prefix, queued = class and 'L' .. pack(CLASS, class), {}
    if slots > 0 and stored > 0 then
      queued = call('ZRANGEBYLEX', READY, '[' .. prefix, '(' .. prefix .. '\255', 'LIMIT', 0, slots)
      if #queued < math.min(slots, stored) then return false end
    end
    local due, next_arrived = string.format('%.0f', now + lease), 1
    -- Merge arrivals with queued nodes, both sorted: take the better of the two heads.
    for i = 1, slots do
      local e, member = arrived[next_arrived], queued[#left + 1]
      if e and member then
        local order, seq_of = unpack_bytes(ENTRY, member, 4)
        if is_before({order, seq_of}, e) then e = nil end
      end
      local idx
      if e then
        idx, next_arrived = e[3], next_arrived + 1
      else
        local _, _, is_all, queued_idx = unpack_bytes(ENTRY, member, 4)
        if is_all ~= 0 or #member > 3 + ENTRY_BYTES then return false end
        idx, left[#left + 1] = queued_idx, member
      end
      -- The node becomes a claim with a lease. Elements, tainted and ended nodes need the general path.
      local t = task(idx)
      if not is_simple(t) or t[1] >= DONE or t[2] % 2 == 1 then return false end
      t[1], t[2], t[12] = CLAIMED, 0, true
      local token = token_of(ARGV[6], ARGV[7] + i - 1)
      claims[i] = {token, idx, '', t[5], t[3], '', IS_READY, 0}
      holds[i * 2 - 1], holds[i * 2] = 'h:' .. token, pack(CLAIM, idx, IS_READY, 0, 0, 0) .. me
      dues[i * 2 - 1], dues[i * 2] = due, 'l' .. token
    end
    -- Arrivals that were not handed out are queued.
    for i = next_arrived, #arrived do
      local e = arrived[i]
      entering[#entering + 1] = 0
      entering[#entering + 1] = prefix .. pack(ENTRY, e[1], e[2], 0, e[3])
    end
    return true
  end

  -- Writes back the changed part of a page: the front of each changed record.
  local function write_page(number, raw)
    local parts, first, last = {}, nil, nil
    for i = 0, PAGE - 1 do
      local t = tasks[number * PAGE + i]
      if t and t[12] then
        if last then parts[#parts + 1] = raw:sub(last + 1, i * RECORD_BYTES) else first = i * RECORD_BYTES end
        parts[#parts + 1] = pack(FRONT, t[1], t[2], t[3], t[4], t[5])
        last = i * RECORD_BYTES + FRONT_BYTES
      end
    end
    if first then call('SETRANGE', TASKS, number * PAGE_BYTES + first, table.concat(parts)) end
  end

  -- The first write, of results, is one that a server out of memory refuses; then the whole step is refused.
  local function write(reply)
    local is_first = run.ok == 0 and count > 0
    if count > 0 then run.ok = run.ok + call('HSET', RESULTS, unpack(results)) end
    for number, raw in pairs(pages) do write_page(number, raw) end
    if count > 0 then
      call('HDEL', COORD, unpack(unheld))
      call('ZREM', TIMES, unpack(undue))
    end
    -- The reply is stored with the commit's number, so that a repeated commit gets it again.
    call('HSET', COORD, 'r:' .. me, ARGV[5] .. ':' .. reply, unpack(holds))
    if #dues > 0 then call('ZADD', TIMES, unpack(dues)) end
    if #left > 0 then call('ZREM', READY, unpack(left)) end
    if #entering > 0 then call('ZADD', READY, unpack(entering)) end
    if must_wake then call('XADD', WAKE, 'MAXLEN', 1, run.version .. '-1', 'v', run.version) end
    -- The TTL of all keys is renewed at most once a second.
    if now - run.armed >= 1000 then
      call('HSET', META, 'armed', now)
      for _, key in ipairs(KEYS) do call('PEXPIRE', key, run.ttl) end
    elseif is_first then
      expire_with_run(RESULTS)
    end
    local length = stored - #left + #entering / 2
    local lanes = length ~= stored and {'lanes', cmsgpack.pack(length > 0 and {[class] = length} or {})} or {}
    call('HSET', META, 'touched', now, 'open', run.open, 'ok', run.ok, 'live', run.live, 'seq', seq,
      'version', run.version, unpack(lanes))
  end

  -- Returns the reply, or nil if the general path must take the commit.
  local function step()
    if not may_be_simple() then return nil end
    local names = {'r:' .. me}
    for i = 1, count do names[i + 1] = 'h:' .. ARGV[i * 4 + 9] end
    local held = call('HMGET', COORD, unpack(names))
    -- A repeated commit gets the stored reply. A host that has seen more than the server has means lost data.
    local done = held[1] and held[1]:match('^%d+')
    if done and tonumber(done) >= tonumber(ARGV[5]) then return held[1]:sub(#done + 2) end
    if has_lost(tonumber(done or 0)) then return nil end
    if not settle(held) or not hand_out() then return nil end
    if #entering > 0 then run.version, must_wake = run.version + 1, true end
    run.open, run.live = run.open - count, run.live - count + #claims
    local reply = cmsgpack.pack({string.rep(COMMITTED, count), claims, {}, run.state, '', run.open, run.total,
      run.version, run.ok + count})
    write(reply)
    return reply
  end

  local reply = step()
  if reply then return {'OK', reply} end
end
