-- Writes the outcome of the step. Nothing is written before this part.

-- Decides whether waiting hosts are woken. Called before anything is written, so that the reply can carry the version.
local function decide_wakeup()
  for _, e in pairs(entries) do
    if e.new and not e.out then must_wake = true end
  end
  if #pending_propagation > 0 then must_wake = true end
  if must_wake then run.version = run.version + 1 end
end

-- Writes what the step has decided. In a block, because a script has at most 200 local variables at its top.
local write
do
  -- Calls a command with any number of arguments, in chunks that fit Lua's stack and keep pairs together.
  local function all(name, key, args)
    local added = 0
    for i = 1, #args, 1000 do
      local got = call(name, key, unpack(args, i, math.min(i + 999, #args)))
      if type(got) == 'number' then added = added + got end
    end
    return added
  end

  -- Writes back the changed records of a page.
  local function write_page(number, page)
    local parts, last = {}, 0
    for i = 0, PAGE - 1 do
      local t = page.tasks[i]
      if t and t.dirty then
        parts[#parts + 1] = page.raw:sub(last + 1, i * RECORD_BYTES)
        parts[#parts + 1] = front(t)
        last = i * RECORD_BYTES + FRONT_BYTES
      end
    end
    if last == 0 then return end
    -- From the first changed record to the last one.
    local start = #parts[1]
    parts[1] = ''
    call('SETRANGE', TASKS, number * PAGE_BYTES + start, table.concat(parts))
  end

  -- Collects elements, claims and expanded tasks into `set`, to be written to COORD.
  local function write_records(set)
    for number, page in pairs(pages) do write_page(number, page) end
    for key, n in pairs(nodes) do
      -- An element that has ended, or is back in its first claim, needs no record.
      if n.gone or not n.dirty or is_new_element(n) then
        if n.stored and (n.gone or n.dirty) then out.forget[#out.forget + 1] = 'n:' .. key end
      else
        set['n:' .. key] = front(n)
      end
    end
    for token, h in pairs(claims_held) do
      if h and h.gone then
        out.forget[#out.forget + 1] = 'h:' .. token
      elseif h and h.dirty then
        local n = h.path ~= '' and nodes[key_of(h.idx, h.path)]
        local recorded = h.recorded or (n and not is_new_element(n))
        set['h:' .. token] = pack(CLAIM, h.idx, h.stage, recorded and 1 or 0, h.lapsed and 1 or 0, #h.path)
          .. h.path .. h.host
      end
    end
    for key, s in pairs(splits) do
      local place = s.place or ''
      set['s:' .. key] = pack(SPLIT, s.items, s.max, s.cursor, s.ended, s.running, s.ready, s.reported,
        (s.scanning and 1 or 0) + (s.kept and 2 or 0), #place) .. place
      for item in pairs(s.added) do out.enter[#out.enter + 1] = ready_key(s, item) end
      for item in pairs(s.removed) do out.leave[#out.leave + 1] = ready_key(s, item) end
    end
  end

  -- Writes the queue and the timers.
  local function write_queue()
    for _, s in ipairs(out.clear) do
      call('HDEL', COORD, 's:' .. key_of(s.idx, s.path))
      call('ZREMRANGEBYLEX', READY, '[' .. ready_key(s, 0), '[' .. ready_key(s, 4294967295))
    end
    -- The ending of the run drops what was queued, and all timers, but the sentinels, which come last.
    if out.drops_all then
      call('ZREMRANGEBYLEX', READY, '-', '(\255')
      all('ZREM', TIMES, call('ZRANGEBYSCORE', TIMES, '-inf', '(inf'))
    end
    all('ZREM', READY, out.leave)
    local list = {}
    for _, e in pairs(entries) do
      if e.new and not e.out then
        list[#list + 1] = 0
        list[#list + 1] = e.member
        must_wake = true
      end
    end
    for _, member in ipairs(out.enter) do
      list[#list + 1] = 0
      list[#list + 1] = member
    -- Remove before adding: a node may have left and entered again.
    end
    all('ZADD', READY, list)
    list = {}
    for member in pairs(out.undue) do list[#list + 1] = member end
    all('ZREM', TIMES, list)
    list = {}
    for member, due in pairs(out.due) do
      list[#list + 1] = due
      list[#list + 1] = member
    end
    all('ZADD', TIMES, list)
  end

  -- Renews the TTL of all keys, at most once a second.
  local function renew_ttls()
    if now - run.armed >= 1000 then
      run.armed = now
      for _, key in ipairs(KEYS) do call('PEXPIRE', key, run.ttl) end
    else
      -- The other keys are never empty, so they kept their TTL.
      if out.is_first then expire_with_run(RESULTS) end
      if #out.skipped > 0 then expire_with_run(SKIPPED) end
      if #out.failed > 0 then expire_with_run(FAILED) end
    end
  end

  function write(set)
    -- Results come first: this is the write that a server out of memory refuses.
    out.is_first = run.ok == 0 and #out.results > 0
    if #out.results > 0 then run.ok = run.ok + all('HSET', RESULTS, out.results) end
    if (out.calls or '') ~= '' then call('RPUSH', CALLS, out.calls) end
    all('HDEL', OFFERS, out.taken)
    if out.without_offers then call('UNLINK', OFFERS) end
    if #out.failed > 0 then all('HSET', FAILED, out.failed) end
    if #out.skipped > 0 then all('HSET', SKIPPED, out.skipped) end
    write_records(set)
    for field, value in pairs(out.keep) do set[field] = value end
    for field, list in pairs(out.waiters or {}) do set[field] = list end
    if out.used then set['u'] = cmsgpack.pack(used) end
    all('HDEL', COORD, out.forget)
    local list = {}
    for field, value in pairs(set) do
      list[#list + 1] = field
      list[#list + 1] = value
    end
    all('HSET', COORD, list)
    write_queue()
    for class, count in pairs(run.lanes) do
      if count == 0 then run.lanes[class] = nil end
    end
    renew_ttls()
    if must_wake then call('XADD', WAKE, 'MAXLEN', 1, run.version .. '-1', 'v', run.version) end
    if #pending_propagation > 0 then
      -- Propagation that this step has not continued is still pending.
      local waiting = run.props == '' and {} or cmsgpack.unpack(run.props)
      for _, p in ipairs(pending_propagation) do waiting[#waiting + 1] = p end
      run.props = cmsgpack.pack(waiting)
    end
    run.lanes = cmsgpack.pack(run.lanes)
    local changed = {}
    -- Only fields of META that have changed are written.
    for i, field in ipairs(fields) do
      local value = run[field] or ''
      if tostring(value) ~= found[i] then
        changed[#changed + 1] = field
        changed[#changed + 1] = value
      end
    end
    call('HSET', META, 'touched', now, unpack(changed))
  end
end
