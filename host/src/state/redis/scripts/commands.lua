-- The commands of the step script: commit, renew, heartbeat, claim_end, leave, cancel, remove_dead_hosts, claims.
local commands = {}

-- Settles claims and claims new nodes.
-- ARGV  5 number  6 token prefix  7 first token number  8 slots  9 free of each resource  10 the host's totals
--       11 number of the last commit that was answered in this life  12 number of results that the host has seen
--       13 the calls that the results are of, or ''
--       then per settlement: token, kind, name, payload
function commands.commit()
  local number = tonumber(ARGV[5])
  -- Exactly-once: a commit that was executed before gets the stored reply.
  local last = call('HGET', COORD, 'r:' .. me)
  local done, reply = (last or '0:'):match('^(%d+):(.*)$')
  if tonumber(done) >= number then return {'OK', reply} end
  if has_lost(tonumber(done)) then return {'LOST', run.ok} end
  -- Expired leases and pending propagation come first: they may free or queue nodes for this host.
  read_claims(14, 4)
  advance()
  continue_propagation()
  local verdicts = {}
  for i = 14, #ARGV, 4 do verdicts[#verdicts + 1] = settle(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
  conclude()
  hand_out(ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), amounts(ARGV[9]), amounts(ARGV[10]))
  decide_wakeup()
  out.calls = ARGV[13]
  -- Remaining propagation counts as news for this host too, because it may have been handed nothing and would not
  -- return.
  local known = run.version - (#pending_propagation > 0 and 1 or 0)
  reply = cmsgpack.pack({table.concat(verdicts), claims, blocked, run.state, run.stop or '', run.open, run.total,
    known, run.ok + #out.results / 2, time_left(), run.ending or ''})
  write({['r:' .. me] = number .. ':' .. reply})
  return {'OK', reply}
end

-- Renews the leases of tokens, and returns the lost ones.
function commands.renew()
  -- PEXPIRE takes no memory, so a server out of memory accepts it as the first write, and then the rest too.
  call('PEXPIRE', META, run.ttl)
  -- A heartbeat too, but only of a host that has not left.
  call('ZADD', HOSTS, 'XX', now + lease, me)
  read_claims(5, 1)
  advance()
  local lost = {}
  for i = 5, #ARGV do
    local h = claim_of(ARGV[i])
    if not h or h.gone or h.host ~= me or run.state ~= 'running' or ending.has_dropped(h) then
      lost[#lost + 1] = ARGV[i]
    else
      -- A lapsed claim that no other host has taken is given back to its holder.
      if h.lapsed then take_back(h, ARGV[i]) end
      out.undue['l' .. ARGV[i]] = nil
      out.due['l' .. ARGV[i]] = now + lease
    end
  end
  conclude()
  decide_wakeup()
  write({})
  return {'OK', lost}
end

-- The heartbeat: the host is alive and has these totals. Returns the time, and how long until the next timer is due.
function commands.heartbeat()
  call('PEXPIRE', META, run.ttl)
  call('ZADD', HOSTS, now + lease, me)
  call('HSET', COORD, 'o:' .. me, ARGV[5])
  forget_dead()
  advance()
  continue_propagation()
  decide_wakeup()
  run.armed = 0
  write({})
  local due = call('ZRANGE', TIMES, 0, 0, 'WITHSCORES')[2]
  return {'OK', now, due == 'inf' and -1 or math.max(tonumber(due) - now, 0)}
end

-- Returns 1 to the one host that tells of the end of this life.
function commands.claim_end()
  if run.state == 'running' then return {'OK', 0} end
  local by, before, told = unpack(call('HMGET', COORD, 'end', 'before', 'told'))
  if by == '' and run.state ~= before then by = nil end
  if not by and run.state == 'succeeded' and tonumber(told or -1) == tonumber(run.ok) then return {'OK', 0} end
  if not by then write({['end'] = me}) end
  return {'OK', (by or me) == me and 1 or 0}
end

-- Leaves the run; the host's claims may be taken over at once.
function commands.leave()
  call('ZREM', HOSTS, me)
  read_claims(5, 1)
  for i = 5, #ARGV do
    local h = claim_of(ARGV[i])
    if h and h.host == me then lapse(ARGV[i]) end
  end
  must_wake = true
  conclude()
  decide_wakeup()
  out.forget[#out.forget + 1] = 'r:' .. me
  out.forget[#out.forget + 1] = 'o:' .. me
  write({})
  return {'OK', now}
end

-- Cancels the run and returns the status that it had.
function commands.cancel()
  local state, stop = run.state, run.stop or ''
  call('PEXPIRE', META, run.ttl)
  if state == 'running' then
    control.cancel()
    decide_wakeup()
    write({})
  end
  return {'OK', state, stop}
end

-- Removes dead hosts, given by name. That is no work on the run: its deadlines do not count the time since the last.
function commands.remove_dead_hosts()
  local touched = call('HGET', META, 'touched')
  call('PEXPIRE', META, run.ttl)
  control.remove_dead_hosts(5)
  decide_wakeup()
  write({})
  if touched then call('HSET', META, 'touched', touched) end
  return {'OK'}
end

-- Returns at most ARGV[5] claims.
function commands.claims() return {'OK', control.list_claims(tonumber(ARGV[5]))} end

return commands[command]()
