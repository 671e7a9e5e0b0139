-- The fast path of commits: results of simple tasks and elements, in exchange for others of one class.
-- Its effects are the same as those of the general parts below, with a fraction of the work: no closures or records for
-- cases that do not occur. Before writing anything, it leaves every other commit to the general parts.
if command == 'commit' then
  local count = (#ARGV - 13) / 4
  local pages, tasks, splits, followers = {}, {}, {}, {}
  -- The only lane with queued nodes, and its length.
  local class, stored = nil, 0
  local arrived, seq, edges_left, ended_tasks = {}, run.seq, budget, 0
  local results, unheld, undue = {}, {}, {}
  local claims, holds, dues, left, entering, blocked = {}, {}, {}, {}, {}, {}

  -- A record as it is unpacked: 1 phase, 2 flags, 3 takeovers, 4 open dependencies, 5 attempt, 6 kind, 7 levels of
  -- elements, 8 class, 9 order, 10 first edge, 11 edges, 12 whether it has changed.
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

  -- A simple list is an expanded task with one level of elements, none of which was stored before or takes a shared
  -- resource. Its elements may wait for those of others.
  local element_kinds = {[KIND_WANTED] = true, [KIND_WANTED + KIND_LEADS] = true, [KIND_WANTED + KIND_FOLLOWS] = true,
    [KIND_WANTED + KIND_LEADS + KIND_FOLLOWS] = true}
  local function is_simple_list(t)
    return t and t[1] == WAITING and t[2] == FLAG_SPLIT and t[7] == 1 and element_kinds[t[6]]
  end

  -- Returns the elements of a simple list; nil while they are being scanned, and for everything else.
  local function split_of(idx)
    local s = splits[idx]
    if s then return s end
    local t = task(idx)
    if not is_simple_list(t) then return nil end
    local raw = call('HGET', COORD, 's:' .. pack(NODE, idx, 0))
    if not raw then return nil end
    local items, max, cursor, ended, running, ready, reported, split_flags, placed = unpack_bytes(SPLIT, raw)
    if split_flags ~= 0 then return nil end
    s = {idx = idx, order = t[9], class = t[8], leads = t[6] % (2 * KIND_LEADS) >= KIND_LEADS, items = items,
      max = max, cursor = cursor, ended = ended,
      running = running, ready = ready, reported = reported, added = {}, additions = 0, taken = {}}
    if placed > 0 then
      s.member = raw:sub(SPLIT_BYTES + 1, SPLIT_BYTES + placed)
      local _, place_seq = unpack_bytes(ENTRY, s.member, 4)
      s.seq, s.was_placed = place_seq, true
    end
    splits[idx] = s
    return s
  end

  -- Queues a list exactly while one of its elements may be handed out. Returns false if the general path must do it.
  local function place(s)
    local is_open = s.running < s.max and (s.ready > 0 or s.cursor < s.items)
    if is_open and not s.member then
      if class and s.class ~= class then return false end
      class, seq = s.class, seq + 1
      s.seq = seq
      s.member = 'L' .. pack(CLASS, class) .. pack(ENTRY, s.order, seq, 1, s.idx)
    elseif not is_open and s.member then
      if s.was_placed then left[#left + 1] = s.member end
      s.member, s.was_placed = nil, false
    end
    return true
  end

  -- Cheap checks that need almost no reads: a running run, one lane, only results, and no timer due.
  local function may_be_simple()
    if run.state ~= 'running' or run.stop or run.ending or run.props ~= '' or run.fast > 0 then return false end
    if count > MAX_CLAIMS then return false end
    for of, length in pairs(run.lanes) do
      if length > 0 then
        if class then return false end
        class, stored = of, length
      end
    end
    for i = 15, #ARGV, 4 do
      if ARGV[i] ~= AS_DONE then return false end
    end
    return #call('ZRANGEBYSCORE', TIMES, '-inf', now, 'LIMIT', 0, 1) == 0
  end

  -- Counts down the dependents of a simple task.
  local function follow(edge, edge_count)
    edges_left = edges_left - edge_count
    if edges_left < 0 then return false end
    local raw = edge_count > 0 and call('GETRANGE', EDGES, edge * EDGE_BYTES, (edge + edge_count) * EDGE_BYTES - 1)
    -- Bit 1 of the kind marks wanted tasks; an ended task needs no count.
    for k = 1, edge_count * EDGE_BYTES, EDGE_BYTES do
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
    return true
  end

  -- Returns the lists of which each element waits for one of this list only; nil if others must be counted down.
  local function followers_of(idx)
    if followers[idx] then return followers[idx] end
    local list, raw = {}, call('HGET', COORD, 'e:' .. idx) or ''
    for k = 1, #raw, LEAD_BYTES do
      local next_at, level, on = unpack_bytes(LEAD, raw, k)
      -- Level 0 is for the task itself.
      if level > 1 or level == 1 and on ~= ON_ENDED then return nil end
      local other = level == 1 and task(next_at)
      -- A task that is not expanded yet counts its elements when it is.
      if other and other[6] % 2 == 1 and other[1] < DONE and other[2] % (2 * FLAG_SPLIT) >= FLAG_SPLIT then
        local s = split_of(next_at)
        if not s or s.cursor < s.items or call('HSTRLEN', COORD, 'i:' .. next_at) > LEAD_BYTES then return nil end
        list[#list + 1] = s
      end
    end
    followers[idx] = list
    return list
  end

  -- Settles an element, and makes those ready that wait for it. The last one of a list needs the general path.
  local function settle_element(idx, item)
    local s = split_of(idx)
    if not s then return false end
    s.ended, s.running = s.ended + 1, s.running - 1
    if s.ended == s.items or not place(s) then return false end
    if not s.leads then return true end
    local list = followers_of(idx)
    if not list then return false end
    for _, follower in ipairs(list) do
      follower.ready, follower.added[item] = follower.ready + 1, true
      follower.additions = follower.additions + 1
      if not place(follower) then return false end
    end
    return true
  end

  -- Settles the held claims, and counts down their dependents.
  local function settle(held)
    for i = 1, count do
      local arg, claim = i * 4 + 10, held[i + 1]
      if not claim then return false end
      -- Each token must be held by this host, unlapsed, in its first stage, for a task or an element without a record.
      local idx, stage, is_recorded, is_lapsed, length = unpack_bytes(CLAIM, claim)
      if stage ~= IS_READY or is_lapsed ~= 0 or claim:sub(CLAIM_BYTES + length + 1) ~= me then return false end
      results[i * 2 - 1], results[i * 2] = ARGV[arg + 2], ARGV[arg + 3]
      unheld[i], undue[i] = 'h:' .. ARGV[arg], 'l' .. ARGV[arg]
      if length == INDEX_BYTES and is_recorded == 0 then
        if not settle_element(idx, (unpack_bytes(INDEX, claim, CLAIM_BYTES + 1))) then return false end
      else
        local t = length == 0 and task(idx)
        if not is_simple(t) or t[1] ~= CLAIMED then return false end
        t[1], t[3], t[12] = DONE, 0, true
        ended_tasks = ended_tasks + 1
        if not follow(t[10], t[11]) then return false end
      end
    end
    -- The general path decides whether the run ends.
    return run.open - run.finals > ended_tasks
  end

  -- Queue order: by rank, then by arrival.
  local function is_before(left_entry, other)
    if left_entry[1] ~= other[1] then return left_entry[1] < other[1] end
    return left_entry[2] < other[2]
  end

  local function ready_key(s, item) return 'A' .. pack(NODE, s.idx, INDEX_BYTES) .. pack(INDEX, item) end

  -- Lists the elements of a list that became ready now, and at most `most` of those that were ready before. Both are in
  -- order. None are added any more once the first is taken.
  local function list_ready(s, most)
    s.fresh, s.next_fresh, s.waiting, s.next_waiting = {}, 1, {}, 1
    for item in pairs(s.added) do s.fresh[#s.fresh + 1] = item end
    table.sort(s.fresh)
    if s.ready == s.additions then return end
    local low, high, names = ready_key(s, 0), ready_key(s, 4294967295), {}
    for i, member in ipairs(call('ZRANGEBYLEX', READY, '[' .. low, '[' .. high, 'LIMIT', 0, most)) do
      s.waiting[i] = unpack_bytes(INDEX, member, #member - INDEX_BYTES + 1)
      names[i] = 'n:' .. member:sub(2)
    end
    s.records = #names > 0 and call('HMGET', COORD, unpack(names))
  end

  -- Returns the next element of a list, and whether it was ready before; nil if it has a record, which the general path
  -- reads. At most `slots` elements are taken; one more may be reported.
  local function next_element(s, slots)
    if not s.fresh then list_ready(s, slots + 1) end
    local item, waiting = s.fresh[s.next_fresh], s.waiting[s.next_waiting]
    if item and not (waiting and waiting < item) then return item, false end
    if not waiting then return s.cursor, false end
    if s.records[s.next_waiting] then return nil end
    return waiting, true
  end

  -- Takes the next element of a list.
  local function take_element(s, item, was_ready)
    if was_ready then
      s.next_waiting = s.next_waiting + 1
      s.taken[item], s.ready = true, s.ready - 1
    elseif s.added[item] then
      s.next_fresh = s.next_fresh + 1
      s.added[item], s.additions, s.ready = nil, s.additions - 1, s.ready - 1
    else
      s.cursor = s.cursor + 1
    end
  end

  -- Claims a node for this host.
  local function claim(idx, path, text, attempt, takeovers)
    local i = #claims + 1
    local token = token_of(ARGV[6], ARGV[7] + i - 1)
    claims[i] = {token, idx, text, attempt, takeovers, '', IS_READY, 0, 0}
    holds[i * 2 - 1], holds[i * 2] = 'h:' .. token, pack(CLAIM, idx, IS_READY, 0, 0, #path) .. path .. me
    dues[i * 2 - 1], dues[i * 2] = string.format('%.0f', now + lease), 'l' .. token
  end

  -- Admission: returns for how many nodes of the class the host's resources suffice, and which is short then; nil if
  -- the general path must find out. Shared resources are counted over all hosts.
  local function room()
    local count_max, short = math.huge, nil
    local raw = class and call('HGET', COORD, 'c:' .. class)
    local demand = raw and cmsgpack.unpack(raw) or {}
    if #demand == 0 then return count_max end
    local free, have = amounts(ARGV[9]), amounts(ARGV[10])
    for _, d in ipairs(demand) do
      local idx, amount = d[1] + 1, d[2]
      if d[3] == SHARED or d[5] or (have[idx] or 0) < amount then return nil end
      local fits = amount > 0 and math.floor((free[idx] or 0) / amount) or math.huge
      if fits < count_max then count_max, short = fits, d[1] end
    end
    return count_max, short
  end

  -- Reports the nodes that would have been handed out if a resource were not short, each once.
  local function report_blocked(heads, resource, slots)
    table.sort(heads, is_before)
    for i = 1, math.min(#heads, slots) do
      local idx, s = heads[i][3], heads[i].list
      if s then
        local item = next_element(s, slots)
        if not item then return false end
        if s.reported <= item then
          s.reported = item + 1
          blocked[#blocked + 1] = {idx, string.format('%d', item), resource}
        end
      else
        local t = task(idx)
        if not t then return false end
        if bit.band(t[2], FLAG_REPORTED) == 0 then
          t[2], t[12] = t[2] + FLAG_REPORTED, true
          blocked[#blocked + 1] = {idx, '', resource}
        end
      end
    end
    return true
  end

  -- Queues the arrivals that were not handed out, and lists that were not queued before.
  local function queue_rest(prefix, next_arrived)
    for i = next_arrived, #arrived do
      local e = arrived[i]
      entering[#entering + 1] = 0
      entering[#entering + 1] = prefix .. pack(ENTRY, e[1], e[2], 0, e[3])
    end
    for _, s in pairs(splits) do
      if s.member and not s.was_placed then
        entering[#entering + 1] = 0
        entering[#entering + 1] = s.member
      end
    end
  end

  -- Hands out the best nodes among new arrivals, the queued ones of the lane, and the elements of lists.
  local function hand_out()
    local slots = math.min(tonumber(ARGV[8]), MAX_CLAIMS)
    if tonumber(ARGV[8]) > MAX_CLAIMS and stored + #arrived > MAX_CLAIMS then return false end
    if #arrived > 1 then table.sort(arrived, is_before) end
    -- Read as many queued entries as there are slots. Members sort by bytes, which is by order and sequence.
    local prefix, queued = class and 'L' .. pack(CLASS, class), {}
    if slots > 0 and stored > 0 then
      queued = call('ZRANGEBYLEX', READY, '[' .. prefix, '(' .. prefix .. '\255', 'LIMIT', 0, slots)
      if #queued < math.min(slots, stored) then return false end
    end
    -- Single nodes, best first, and the lists, of which there are few.
    local nodes = {}
    for _, member in ipairs(queued) do
      local order, seq_of, is_all, idx = unpack_bytes(ENTRY, member, 4)
      if #member > 3 + ENTRY_BYTES then return false end
      if is_all == 1 then
        if not split_of(idx) then return false end
      else
        nodes[#nodes + 1] = {order, seq_of, idx, member}
      end
    end
    local count_max, short = 0, nil
    if slots > 0 then count_max, short = room() end
    if not count_max then return false end
    count_max = math.min(slots, count_max)
    local next_node, next_arrived = 1, 1
    while #claims < count_max do
      -- The better of the two heads, unless a list is better.
      local e, is_new = nodes[next_node], false
      local new = arrived[next_arrived]
      if new and (not e or is_before(new, e)) then e, is_new = new, true end
      local order, seq_of, best
      if e then order, seq_of = e[1], e[2] end
      for _, s in pairs(splits) do
        if s.member and (not order or s.order < order or s.order == order and s.seq < seq_of) then
          order, seq_of, best = s.order, s.seq, s
        end
      end
      if best then
        local item, was_ready = next_element(best, count_max - #claims)
        if not item then return false end
        take_element(best, item, was_ready)
        claim(best.idx, pack(INDEX, item), string.format('%d', item), 1, 0)
        best.running = best.running + 1
        if not place(best) then return false end
      elseif e then
        -- Tainted and ended nodes need the general path.
        local t = task(e[3])
        if not is_simple(t) or t[1] >= DONE or t[2] % 2 == 1 then return false end
        t[1], t[2], t[12] = CLAIMED, 0, true
        claim(e[3], '', '', t[5], t[3])
        if is_new then next_arrived = next_arrived + 1 else left[#left + 1], next_node = e[4], next_node + 1 end
      else
        break
      end
    end
    if short and #claims == count_max and count_max < slots then
      local heads = {unpack(nodes, next_node)}
      for i = next_arrived, #arrived do heads[#heads + 1] = arrived[i] end
      for _, s in pairs(splits) do
        if s.member then heads[#heads + 1] = {s.order, s.seq, s.idx, list = s} end
      end
      if not report_blocked(heads, short, slots - count_max) then return false end
    end
    queue_rest(prefix, next_arrived)
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

  -- Collects the changed lists: their records into `holds`, and which of their elements are ready.
  local function write_splits()
    for idx, s in pairs(splits) do
      local member = s.member or ''
      holds[#holds + 1] = 's:' .. pack(NODE, idx, 0)
      holds[#holds + 1] = pack(SPLIT, s.items, s.max, s.cursor, s.ended, s.running, s.ready, s.reported, 0, #member)
        .. member
      for item in pairs(s.taken) do left[#left + 1] = ready_key(s, item) end
      for item in pairs(s.added) do
        entering[#entering + 1] = 0
        entering[#entering + 1] = ready_key(s, item)
      end
    end
  end

  -- Calls a command with any number of arguments, in chunks that fit Lua's stack.
  local function all(name, key, args)
    for i = 1, #args, 1000 do call(name, key, unpack(args, i, math.min(i + 999, #args))) end
  end

  -- The first write, of results, is one that a server out of memory refuses; then the whole step is refused.
  local function write(reply, length)
    local is_first = run.ok == 0 and count > 0
    if count > 0 then run.ok = run.ok + call('HSET', RESULTS, unpack(results)) end
    if ARGV[13] ~= '' then call('RPUSH', CALLS, ARGV[13]) end
    for number, raw in pairs(pages) do write_page(number, raw) end
    if count > 0 then
      call('HDEL', COORD, unpack(unheld))
      call('ZREM', TIMES, unpack(undue))
    end
    write_splits()
    -- The reply is stored with the commit's number, so that a repeated commit gets it again.
    call('HSET', COORD, 'r:' .. me, ARGV[5] .. ':' .. reply)
    all('HSET', COORD, holds)
    if #dues > 0 then all('ZADD', TIMES, dues) end
    all('ZREM', READY, left)
    all('ZADD', READY, entering)
    if must_wake then call('XADD', WAKE, 'MAXLEN', 1, run.version .. '-1', 'v', run.version) end
    -- The TTL of all keys is renewed at most once a second.
    if now - run.armed >= 1000 then
      call('HSET', META, 'armed', now)
      for _, key in ipairs(KEYS) do call('PEXPIRE', key, run.ttl) end
    elseif is_first then
      expire_with_run(RESULTS)
    end
    local lanes = length ~= stored and {'lanes', cmsgpack.pack(length > 0 and {[class] = length} or {})} or {}
    call('HSET', META, 'touched', now, 'open', run.open, 'ok', run.ok, 'live', run.live, 'seq', seq,
      'version', run.version, unpack(lanes))
  end

  -- Returns the reply, or nil if the general path must take the commit.
  local function step()
    if not may_be_simple() then return nil end
    local names = {'r:' .. me}
    for i = 1, count do names[i + 1] = 'h:' .. ARGV[i * 4 + 10] end
    local held = call('HMGET', COORD, unpack(names))
    -- A repeated commit gets the stored reply. A host that has seen more than the server has means lost data.
    local done = held[1] and held[1]:match('^%d+')
    if done and tonumber(done) >= tonumber(ARGV[5]) then return held[1]:sub(#done + 2) end
    if has_lost(tonumber(done or 0)) then return nil end
    if not settle(held) or not hand_out() then return nil end
    -- Hosts that could take more have been woken for a lane that had entries before, and found none that they can take.
    if #entering > 0 and stored == 0 then run.version, must_wake = run.version + 1, true end
    run.open, run.live = run.open - ended_tasks, run.live - count + #claims
    local reply = cmsgpack.pack({string.rep(COMMITTED, count), claims, blocked, run.state, '', run.open, run.total,
      run.version, run.ok + count, time_left()})
    write(reply, stored - #left + #entering / 2)
    return reply
  end

  local reply = step()
  if reply then return {'OK', reply} end
end
