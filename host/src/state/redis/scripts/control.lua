-- What is done to a run from outside of the work on it: claims of hosts that are gone are broken, the run is cancelled,
-- and who holds what is told.

-- Each claim whose lease has not passed, with when it does.
local function each_lease(visit)
  local list = call('ZRANGE', TIMES, 0, -1, 'WITHSCORES')
  for i = 1, #list, 2 do
    if list[i]:sub(1, 1) == 'l' then visit(list[i]:sub(2), tonumber(list[i + 1])) end
  end
end

-- Breaks all that these hosts hold: others may have it at once.
local function remove_dead_hosts(first)
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
  is_news = true
  conclude()
end

-- Hands out nothing more. What hosts hold is theirs until they have heard of it; without hosts, the run ends here.
local function cancel()
  if run.state ~= 'running' then return end
  run.stop, is_news = 'cancelled', true
  if call('ZCOUNT', HOSTS, '(' .. now, '(inf') == 0 then each_lease(lapse) end
  conclude()
end

-- At most `most` claims: task, element, stage, attempt, takeovers, how long the lease lasts, host.
local function tell_claims(most)
  local told = {}
  each_lease(function(token, due)
    local h = #told < most and claim_of(token)
    local n = h and task(h.at) and node_of(h)
    if n then
      told[#told + 1] = {h.at, h.item, h.stage, n.attempt, n.takeovers, math.max(due - now, 0), h.host}
    end
  end)
  return told
end
