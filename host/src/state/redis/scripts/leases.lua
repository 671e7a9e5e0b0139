-- Leases that pass, delays that are over, and the end of the run.

-- Lets the lease of a claim pass: others may have the node; it is the holder's until one has it.
function step.lapse(token)
  out.undue['l' .. token] = true
  local h = step.claim_of(token)
  if not h or h.gone or h.lapsed then return end
  run.live = run.live - 1
  step.change_room(h, -1)
  is_news = true
  local n = step.task(h.at).phase < DONE and step.node_of(h)
  if not n then
    h.gone = true
    return
  end
  h.lapsed, h.dirty = true, true
  n.lapsed, n.phase, n.dirty = true, WAITING, true
  out.keep['x:' .. step.key_of(h.at, h.item)] = token .. (step.line_up(h.at, h.item) or '')
end

-- Gives a node back to the holder whose lease had passed.
function step.take_back(h, token)
  step.withdraw(h, token)
  local n = step.node_of(h)
  if n then n.lapsed, n.phase, n.dirty = false, CLAIMED, true end
  h.lapsed, h.dirty = false, true
  run.live = run.live + 1
  step.change_room(h, 1)
end

-- Does what is due by the server's clock.
function step.advance()
  if run.state ~= 'running' then return end
  for _, member in ipairs(call('ZRANGEBYSCORE', TIMES, '-inf', now, 'LIMIT', 0, 500)) do
    if member:sub(1, 1) == 'l' then
      step.lapse(member:sub(2))
    else
      out.undue[member] = true
      local at, item = unpack_bytes('>I4I4', member, 2)
      if not run.stop then step.line_up(at, item) end
    end
  end
end

-- Ends the run if nothing is held and nothing more will be.
function step.conclude()
  if run.state ~= 'running' or run.live > 0 then return end
  local is_settled = run.stop == 'cancelled' or (run.fast == 0 and #props == 0)
  if not run.stop then
    if run.open > 0 then return end
  elseif not is_settled then
    return
  end
  if run.stop == 'cancelled' and run.open > 0 then
    run.state = 'cancelled'
  else
    run.state = run.failed == '1' and 'failed' or 'succeeded'
  end
  is_news = true
end
