-- What a host may ask of a run.
local verbs = {}

-- number, first part of tokens, their first number, slots, free of each resource, what the host has of each, number of
-- the last one that was answered in this life, how many results the host has seen, then per settlement: token, kind, name,
-- payload.
function verbs.commit()
  local number = tonumber(ARGV[5])
  -- A commit that was executed is answered again with what it came to, whenever it arrives once more.
  local last = call('HGET', COORD, 'r:' .. me)
  local done, reply = (last or '0:'):match('^(%d+):(.*)$')
  if tonumber(done) >= number then return {'OK', reply} end
  if has_lost(tonumber(done)) then return {'LOST', run.ok} end
  read_claims(13, 4)
  advance()
  go_on()
  local verdicts = {}
  for i = 13, #ARGV, 4 do verdicts[#verdicts + 1] = settle(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
  conclude()
  hand_out(ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), amounts(ARGV[9]), amounts(ARGV[10]))
  weigh_news()
  -- What is left to be followed is news to this host too: it may have been handed nothing to come back with.
  local known = run.version - (#pending_propagation > 0 and 1 or 0)
  reply = cmsgpack.pack({table.concat(verdicts), claims, blocked, run.state, run.stop or '', run.open, run.total,
    known, run.ok + #out.results / 2})
  write({['r:' .. me] = number .. ':' .. reply})
  return {'OK', reply}
end

-- Tokens to be held for another lease; gives those that were lost.
function verbs.renew()
  -- Taking no memory, this may come first even where there is none left, and lets what follows through.
  call('PEXPIRE', META, run.ttl)
  -- A sign of life too, but of nobody who has left.
  call('ZADD', HOSTS, 'XX', now + lease, me)
  read_claims(5, 1)
  advance()
  local lost = {}
  for i = 5, #ARGV do
    local h = claim_of(ARGV[i])
    if not h or h.gone or h.host ~= me or run.state ~= 'running' then
      lost[#lost + 1] = ARGV[i]
    else
      if h.lapsed then take_back(h, ARGV[i]) end
      out.undue['l' .. ARGV[i]] = nil
      out.due['l' .. ARGV[i]] = now + lease
    end
  end
  conclude()
  weigh_news()
  write({})
  return {'OK', lost}
end

-- Says that the host lives, and what it has of each resource; gives the time, and how long until something is due.
function verbs.heartbeat()
  call('PEXPIRE', META, run.ttl)
  call('ZADD', HOSTS, now + lease, me)
  call('HSET', COORD, 'o:' .. me, ARGV[5])
  forget_dead()
  advance()
  go_on()
  weigh_news()
  run.armed = 0
  write({})
  local due = call('ZRANGE', TIMES, 0, 0, 'WITHSCORES')[2]
  return {'OK', now, due == 'inf' and -1 or math.max(tonumber(due) - now, 0)}
end

-- The host works on the run no more; what it holds may be taken over at once.
function verbs.leave()
  call('ZREM', HOSTS, me)
  read_claims(5, 1)
  for i = 5, #ARGV do
    local h = claim_of(ARGV[i])
    if h and h.host == me then lapse(ARGV[i]) end
  end
  is_news = true
  conclude()
  weigh_news()
  out.forget[#out.forget + 1] = 'r:' .. me
  out.forget[#out.forget + 1] = 'o:' .. me
  write({})
  return {'OK', now}
end

-- Gives where the run stood.
function verbs.cancel()
  local state, stop = run.state, run.stop or ''
  call('PEXPIRE', META, run.ttl)
  if state == 'running' then
    cancel()
    weigh_news()
    write({})
  end
  return {'OK', state, stop}
end

-- Hosts that are gone.
function verbs.remove_dead_hosts()
  call('PEXPIRE', META, run.ttl)
  remove_dead_hosts(5)
  weigh_news()
  write({})
  return {'OK'}
end

-- How many claims are to be told at most.
function verbs.claims() return {'OK', tell_claims(tonumber(ARGV[5]))} end

return verbs[verb]()
