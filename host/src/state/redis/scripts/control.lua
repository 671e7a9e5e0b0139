-- Control of a run from outside: breaking the claims of dead hosts, cancelling, and listing claims.

local control = {}
do
  -- Visits each claim with an unexpired lease, together with its end.
  local function each_lease(visit)
    local list = call('ZRANGE', TIMES, 0, -1, 'WITHSCORES')
    for i = 1, #list, 2 do
      if list[i]:sub(1, 1) == 'l' then visit(list[i]:sub(2), tonumber(list[i + 1])) end
    end
  end

  -- Breaks the claims of dead hosts: other hosts may take over at once.
  function control.remove_dead_hosts(first)
    local gone = {}
    for i = first, #ARGV do
      gone[ARGV[i]] = true
      call('ZREM', HOSTS, ARGV[i])
    end
    if run.state ~= 'running' then return end
    each_lease(function(token)
      local h = claim_of(token)
      if h and gone[h.host] then lapse(token) end
    end)
    must_wake = true
    conclude()
  end

  -- Stops handing out nodes. Hosts keep their claims until they learn of it; without live hosts, the run ends here.
  function control.cancel()
    if run.state ~= 'running' then return end
    run.stop, must_wake = 'cancelled', true
    if call('ZCOUNT', HOSTS, '(' .. now, '(inf') == 0 then each_lease(lapse) end
    conclude()
  end

  -- Lists at most `max` claims: task, indexes, stage, attempt, takeovers, iterations, remaining lease, host.
  function control.list_claims(max)
    local reported = {}
    each_lease(function(token, due)
      local h = #reported < max and claim_of(token)
      local n = h and task(h.idx) and node_of(h)
      if n then
        reported[#reported + 1] = {h.idx, path_text(h.path), h.stage, n.attempt, n.takeovers,
          iterations_of(h.idx, h.path), math.max(due - now, 0), h.host}
      end
    end)
    return reported
  end
end
