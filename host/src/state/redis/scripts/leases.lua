-- Time: expired leases, elapsed delays, deadlines, and the end of the run.

-- Expires the lease of a claim: other hosts may take over the node. Until one does, the holder can still settle it.
local function lapse(token)
  out.undue['l' .. token] = true
  local h = claim_of(token)
  if not h or h.gone or h.lapsed then return end
  run.live = run.live - 1
  change_usage(h, -1)
  must_wake = true
  local n = task(h.idx).phase < DONE and node_of(h)
  -- The node has ended in the meantime, so the claim is not needed.
  if not n then
    h.gone = true
    return
  end
  h.lapsed, h.dirty = true, true
  n.lapsed, n.phase, n.dirty = true, WAITING, true
  out.keep['x:' .. key_of(h.idx, h.path)] = token .. (line_up(h.idx, h.path) or '')
end

-- Gives a lapsed node back to its holder.
local function take_back(h, token)
  dequeue(h, token)
  local n = node_of(h)
  if n then n.lapsed, n.phase, n.dirty = false, CLAIMED, true end
  h.lapsed, h.dirty = false, true
  run.live = run.live + 1
  change_usage(h, 1)
end

-- Removes hosts with an expired lease from the totals, so nodes left to larger hosts can be claimed by others.
local function forget_dead()
  for _, host in ipairs(call('ZRANGEBYSCORE', HOSTS, '-inf', now)) do
    if call('HDEL', COORD, 'o:' .. host) == 1 then must_wake = true end
  end
end

-- Returns whether the run hands out nothing more, whatever its policy.
local function ends_now() return run.stop == 'cancelled' or run.stop == 'timeout' end

-- Handles a timer that is not the end of a lease: a retry delay, the deadline of tasks, or that of the run.
local function handle_timer(member)
  local kind = member:sub(1, 1)
  if kind == 'K' then
    if not ends_now() then run.stop, must_wake = 'timeout', true end
  elseif run.stop then
    return
  elseif kind == 'k' then
    deadlines.pass((unpack_bytes(INDEX, member, 2)))
  else
    local idx, path = unpack_node(member, 2)
    local n = path == '' and task(idx) or element_record(key_of(idx, path))
    if n and n.phase == WAITING then line_up(idx, path) end
  end
end

-- Handles timers that are due by the server's clock.
local function advance()
  if run.state ~= 'running' then return end
  for _, member in ipairs(call('ZRANGEBYSCORE', TIMES, '-inf', now, 'LIMIT', 0, 500)) do
    if member:sub(1, 1) == 'l' then
      lapse(member:sub(2))
    else
      out.undue[member] = true
      handle_timer(member)
    end
  end
end

-- Returns whether the closing node must still run.
local function needs_closing() return run.closing and task(run.closing).phase < DONE end

-- Ends the run, or hands on to its finally tasks if it has any.
function ending.end_run(status)
  if not run.ending and run.finals > 0 then return ending.begin(status) end
  run.state, must_wake = status, true
  -- Offers to tasks that the run does not include are for a later one.
  if status == 'succeeded' then out.without_offers = call('HEXISTS', COORD, 'partial') == 0 end
end

-- Ends the run if no claim is held and none can follow. A run that would succeed gets its closing node first.
local function conclude()
  if run.state ~= 'running' or run.live > 0 then return end
  if run.ending then
    if run.finals == 0 or ends_now() then ending.end_run(run.ending) end
    return
  end
  -- After a failure, tainted nodes are still handed out: the run ends only when none is left.
  local is_settled = ends_now() or (run.fast == 0 and #pending_propagation == 0 and run.props == '')
  if not run.stop then
    if run.open > run.finals then return end
  elseif not is_settled then
    return
  end
  if ends_now() and (run.open > run.finals or needs_closing()) then
    ending.end_run(run.stop)
  elseif run.failed == '1' then
    ending.end_run('failed')
  elseif needs_closing() then
    if task(run.closing).phase == WAITING then line_up(run.closing, '') end
  else
    ending.end_run('succeeded')
  end
end
