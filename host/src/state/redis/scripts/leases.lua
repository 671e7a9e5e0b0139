-- Time: expired leases, elapsed delays, and the end of the run.

-- Expires the lease of a claim: other hosts may take over the node. Until one does, the holder can still settle it.
local function lapse(token)
  out.undue['l' .. token] = true
  local h = claim_of(token)
  if not h or h.gone or h.lapsed then return end
  run.live = run.live - 1
  change_room(h, -1)
  is_news = true
  local n = task(h.at).phase < DONE and node_of(h)
  -- The node has ended in the meantime, so nobody needs the claim.
  if not n then
    h.gone = true
    return
  end
  h.lapsed, h.dirty = true, true
  n.lapsed, n.phase, n.dirty = true, WAITING, true
  out.keep['x:' .. key_of(h.at, h.item)] = token .. (line_up(h.at, h.item) or '')
end

-- Gives a lapsed node back to its holder.
local function take_back(h, token)
  withdraw(h, token)
  local n = node_of(h)
  if n then n.lapsed, n.phase, n.dirty = false, CLAIMED, true end
  h.lapsed, h.dirty = false, true
  run.live = run.live + 1
  change_room(h, 1)
end

-- Removes hosts with an expired lease from the totals, so nodes left to larger hosts can be claimed by others.
local function forget_dead()
  for _, host in ipairs(call('ZRANGEBYSCORE', HOSTS, '-inf', now)) do
    if call('HDEL', COORD, 'o:' .. host) == 1 then is_news = true end
  end
end

-- Handles timers that are due by the server's clock: leases and retry delays.
local function advance()
  if run.state ~= 'running' then return end
  for _, member in ipairs(call('ZRANGEBYSCORE', TIMES, '-inf', now, 'LIMIT', 0, 500)) do
    if member:sub(1, 1) == 'l' then
      lapse(member:sub(2))
    else
      out.undue[member] = true
      local at, item = unpack_bytes(NODE, member, 2)
      if not run.stop then line_up(at, item) end
    end
  end
end

-- Whether something is still to decide whether a run whose tasks have all ended has succeeded.
local function is_to_be_closed() return run.closing and task(run.closing).phase < DONE end

-- Ends the run if nothing is held and nothing more will be; one that would succeed is closed first.
local function conclude()
  if run.state ~= 'running' or run.live > 0 then return end
  -- After a failure, tainted nodes are still handed out: the run ends only when none is left.
  local is_settled = run.stop == 'cancelled' or (run.fast == 0 and #pending_propagation == 0 and run.props == '')
  if not run.stop then
    if run.open > 0 then return end
  elseif not is_settled then
    return
  end
  if run.stop == 'cancelled' and (run.open > 0 or is_to_be_closed()) then
    run.state = 'cancelled'
  elseif run.failed == '1' then
    run.state = 'failed'
  elseif is_to_be_closed() then
    if task(run.closing).phase == WAITING then line_up(run.closing, 0) end
    return
  else
    run.state = 'succeeded'
  end
  is_news = true
end
