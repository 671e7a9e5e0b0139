-- One step on the resources that all runs share. Decides as `state/memory/resource_line.rs` does.
-- KEYS  1 meta: version, counter of arrivals  2 sessions by the end of their lease  3 reservations by id
--       4 those that wait, by place  5 resources by name  6 stream of ids that may succeed now  7 kept places
-- ARGV  1 command  2 session  3 lease in microseconds, then the command's own
-- Times are in microseconds. An id is that of its session, a dot and a number.
local META, SESSIONS, RESERVATIONS, LINE, NAMES, CALLS, KEPT = unpack(KEYS)
local call, session, lease = redis.call, ARGV[2], tonumber(ARGV[3])
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]

local VERSION = '1'
-- How long keys outlive the last step, beside leases and rates.
local KEEP = 24 * 3600 * 1000
-- Most entries of the stream; those that miss one ask again by themselves.
local MAX_CALLS = 1000
-- Width of arrivals in a place.
local ARRIVALS = 2 ^ 42
local UNITS = {s = 1000000, m = 60000000, h = 3600000000}

local version = call('HGET', META, 'version')
if version and version ~= VERSION then return {'VERSION', version} end

-- Division of whole numbers; the operators of Lua round.
local function divide(a, b)
  local rest = math.fmod(a, b)
  return (a - rest) / b, rest
end
local function text(number) return string.format('%.0f', number) end

-- Resources: capacity, as text and parsed; amount held; pace of a rate; run that has declared it.
local resources, changed = {}, {}
local function parsed(capacity)
  local count, unit, burst = string.match(capacity, '^(%d+)/(%a)%+(%d+)$')
  if not count then return {capacity = capacity, max = tonumber(capacity)} end
  return {capacity = capacity, count = tonumber(count), unit = UNITS[unit], max = tonumber(burst)}
end
local function resource(name)
  if resources[name] == nil then
    local packed = call('HGET', NAMES, name)
    local found = false
    if packed then
      local fields = cmsgpack.unpack(packed)
      found = parsed(fields[1])
      found.held, found.whole, found.part, found.run = fields[2], fields[3], fields[4], fields[5]
    end
    resources[name] = found
  end
  return resources[name]
end
local function declare(name, capacity, run)
  local new = parsed(capacity)
  new.held, new.whole, new.part, new.run = 0, 0, 0, run
  resources[name], changed[name] = new, true
  return new
end

-- The line: ids in order, with places. A reservation is read once.
local line, records = nil, {}
local function waiting()
  if not line then
    line = {}
    local found = call('ZRANGE', LINE, 0, -1, 'WITHSCORES')
    for i = 1, #found, 2 do line[#line + 1] = {id = found[i], place = tonumber(found[i + 1])} end
  end
  return line
end
local function record(id)
  if records[id] == nil then
    local packed = call('HGET', RESERVATIONS, id)
    records[id] = packed and cmsgpack.unpack(packed) or false
  end
  return records[id]
end
local function amount(found, name)
  return found and found.needs[name] or 0
end

-- The pace of a rate.
local function pace_from(found)
  if found.whole < now then return now, 0 end
  return found.whole, found.part
end
local function turn(found, taken)
  local whole, part = pace_from(found)
  local over = (whole - now) * found.count + part + taken * found.unit - found.max * found.unit
  -- Parts of a microsecond are not waited for: then later turns would be later too.
  return over > 0 and (divide(over, found.count)) or 0
end
local function take(found, taken)
  local whole, part = pace_from(found)
  local more, rest = divide(part + taken * found.unit, found.count)
  found.whole, found.part = whole + more, rest
end
local function put_back(found, taken)
  local less, rest = divide(taken * found.unit, found.count)
  if found.part >= rest then
    found.whole, found.part = math.max(found.whole - less, 0), found.part - rest
  else
    found.whole, found.part = math.max(found.whole - less - 1, 0), found.part + found.count - rest
  end
end

local function is_in_use(name, except)
  local found = resource(name)
  if not found then return false end
  if found.held > 0 or found.whole > now or (found.whole == now and found.part > 0) then return true end
  for _, entry in ipairs(waiting()) do
    if entry.id ~= except and amount(record(entry.id), name) > 0 then return true end
  end
  return false
end

-- Names of resources whose line may move, each once.
local moved, is_moved = {}, {}
local function move(name)
  if not is_moved[name] then
    is_moved[name] = true
    moved[#moved + 1] = name
  end
end

local function unline(id)
  call('ZREM', LINE, id)
  for i, entry in ipairs(line or {}) do
    if entry.id == id then
      table.remove(line, i)
      return
    end
  end
end

-- Ends a reservation. What was used of a rate is gone.
local function finish(id, is_used)
  local found = record(id)
  if not found then return end
  call('HDEL', RESERVATIONS, id)
  records[id] = false
  if not found.holds then unline(id) end
  for name, taken in pairs(found.needs) do
    local of = resource(name)
    if of then
      if found.holds and not of.unit then of.held = math.max(of.held - taken, 0) end
      if found.holds and of.unit and not is_used then put_back(of, taken) end
      changed[name] = true
      if not (found.holds and of.unit and is_used) then move(name) end
    end
  end
end

local function close(which)
  local all = call('HGETALL', RESERVATIONS)
  for i = 1, #all, 2 do
    local found = cmsgpack.unpack(all[i + 1])
    if found.session == which then
      records[all[i]] = found
      finish(all[i], true)
    end
  end
  local kept = call('HGETALL', KEPT)
  for i = 1, #kept, 2 do
    if string.match(kept[i + 1], '^%S+ (.*)$') == which then call('HDEL', KEPT, kept[i]) end
  end
  call('ZREM', SESSIONS, which)
end

local function expire()
  for _, which in ipairs(call('ZRANGEBYSCORE', SESSIONS, '-inf', text(now))) do close(which) end
end

-- Calls those in line whose need may be free now. All turns of a rate come sooner.
local function call_next(name, ids, is_listed)
  local found = resource(name)
  if not found then return end
  local needed = found.held
  for _, entry in ipairs(waiting()) do
    local taken = amount(record(entry.id), name)
    needed = needed + taken
    if taken > 0 then
      if not found.unit and needed > found.max then return end
      if not is_listed[entry.id] then
        is_listed[entry.id] = true
        ids[#ids + 1] = entry.id
      end
    end
  end
end

-- Writes what has changed, wakes, and lets all keys expire once nobody can need them any more.
local function store()
  local ids, is_listed, last = {}, {}, now
  for _, name in ipairs(moved) do call_next(name, ids, is_listed) end
  for name in pairs(changed) do
    local found = resource(name)
    if found and is_in_use(name) then
      last = math.max(last, found.whole)
      call('HSET', NAMES, name, cmsgpack.pack({found.capacity, found.held, found.whole, found.part, found.run}))
    else
      call('HDEL', NAMES, name)
    end
  end
  if #ids > 0 then call('XADD', CALLS, 'MAXLEN', '~', MAX_CALLS, '*', 'ids', table.concat(ids, ' ')) end
  local until_ms = math.ceil(math.max(last - now, lease) / 1000) + KEEP
  for _, key in ipairs(KEYS) do
    if call('PTTL', key) < until_ms - KEEP / 2 then call('PEXPIRE', key, text(until_ms)) end
  end
end

local function holder_of(found) return {found.run, found.task, found.host} end

-- The reservation that has held a resource for the longest time.
local function first_holder(name)
  local first
  local all = call('HVALS', RESERVATIONS)
  for i = 1, #all do
    local found = cmsgpack.unpack(all[i])
    if found.holds and amount(found, name) > 0 then
      local is_before = not first or found.since < first.since
        or (found.since == first.since and found.place < first.place)
      if is_before then first = found end
    end
  end
  return first and holder_of(first) or {}
end

-- Returns what a reservation in line waits for, or nothing.
local function shortage(found, names, begins)
  local first, recheck
  for _, name in ipairs(names) do
    local of, needed, ahead = resource(name), found.needs[name], 0
    for _, entry in ipairs(waiting()) do
      if entry.place >= found.place then break end
      local aside = amount(record(entry.id), name)
      if aside > 0 then needed, ahead = needed + aside, ahead + 1 end
    end
    local wait
    if of.unit then
      wait = turn(of, needed)
    elseif of.held + needed > of.max then
      wait = -1 -- whoever gives back calls
    end
    if wait and wait ~= 0 then
      if wait > 0 and (not recheck or wait < recheck) then recheck = wait end
      if not first then
        local holder = begins and not of.unit and first_holder(name) or {}
        first = {name, of.capacity, text(of.held), ahead, holder}
      end
    end
  end
  if not first then return nil end
  first[6] = recheck and text(recheck) or '-1'
  return first
end

local commands = {}

-- 4 run  5 host, then sessions to end
function commands.open()
  call('HSET', META, 'version', VERSION)
  call('ZADD', SESSIONS, text(now + lease), session)
  expire()
  for i = 4, #ARGV do close(ARGV[i]) end
  store()
  return {'OK'}
end

-- 4 next number of the session, then those that have not ended: a late packet may have begun another one anew
function commands.renew()
  expire()
  local is_known = call('ZSCORE', SESSIONS, session)
  if is_known then
    call('ZADD', SESSIONS, text(now + lease), session)
    local is_open = {}
    for i = 5, #ARGV do is_open[ARGV[i]] = true end
    local all = call('HGETALL', RESERVATIONS)
    for i = 1, #all, 2 do
      local number = string.match(all[i], '%.(%d+)$')
      if not is_open[number] and tonumber(number) < tonumber(ARGV[4]) then
        local found = cmsgpack.unpack(all[i + 1])
        if found.session == session then
          records[all[i]] = found
          finish(all[i], false)
        end
      end
    end
  end
  store()
  return {is_known and 'OK' or 'LOST'}
end

function commands.close()
  close(session)
  store()
  return {'OK'}
end

-- 4 id  5 run  6 host  7 task  8 priority, then name, amount and capacity of each need
function commands.reserve()
  expire()
  if not call('ZSCORE', SESSIONS, session) then
    store()
    return {'LOST'}
  end
  local id, run, task = ARGV[4], ARGV[5], ARGV[7]
  local found = record(id)
  if found and found.holds then return {'HELD', {}} end
  -- The first write is one that a server out of memory refuses, and with it the whole step.
  call('HSET', META, 'version', VERSION)
  local names, needs, differing, exceeded = {}, {}, {}, nil
  for i = 9, #ARGV, 3 do
    local name, needed, capacity = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
    local of = resource(name)
    if not of or (of.capacity ~= capacity and not is_in_use(name, id)) then of = declare(name, capacity, run) end
    if of.capacity ~= capacity then
      differing[#differing + 1] = name
      differing[#differing + 1] = of.capacity
    end
    if needed > of.max and not exceeded then exceeded = {name, of.capacity} end
    names[#names + 1], needs[name], changed[name] = name, needed, true
  end
  if exceeded then
    finish(id, false)
    store()
    return {'EXCEEDS', differing, exceeded}
  end
  local begins = not found
  if begins then
    local field = run .. ' ' .. task
    local kept = call('HGET', KEPT, field)
    local place
    if kept then
      place = tonumber(string.match(kept, '^%S+'))
      call('HDEL', KEPT, field)
    else
      place = (100 - tonumber(ARGV[8])) * ARRIVALS + call('HINCRBY', META, 'arrivals', 1)
    end
    found = {session = session, run = run, host = ARGV[6], task = task, needs = needs, place = place, since = now,
      holds = false}
    records[id] = found
    call('ZADD', LINE, text(place), id)
    line = nil
  end
  local wait = shortage(found, names, begins)
  if not wait then
    found.holds, found.since = true, now
    unline(id)
    for _, name in ipairs(names) do
      local of = resource(name)
      if of.unit then take(of, needs[name]) else of.held = of.held + needs[name] end
    end
  end
  if begins or not wait then call('HSET', RESERVATIONS, id, cmsgpack.pack(found)) end
  store()
  if wait then return {'WAITS', differing, wait} end
  return {'HELD', differing}
end

-- 4 id  5 `used`, `unused` or `keep`
function commands.give_back()
  local id, how = ARGV[4], ARGV[5]
  local found = record(id)
  if found and how == 'keep' then
    call('HSET', KEPT, found.run .. ' ' .. found.task, text(found.place) .. ' ' .. session)
  end
  finish(id, how == 'used')
  store()
  return {'OK'}
end

-- Returns each resource: name, capacity, run, and its reservations: whether it holds, run, task, host, amount,
-- priority, time.
function commands.list()
  local entries = {}
  local all = call('HGETALL', RESERVATIONS)
  local ends = {}
  for i = 1, #all, 2 do
    local found = cmsgpack.unpack(all[i + 1])
    if ends[found.session] == nil then
      local score = call('ZSCORE', SESSIONS, found.session)
      ends[found.session] = score and tonumber(score) > now or false
    end
    if ends[found.session] then entries[#entries + 1] = found end
  end
  table.sort(entries, function(a, b)
    if a.holds ~= b.holds then return a.holds end
    if a.holds and a.since ~= b.since then return a.since < b.since end
    return a.place < b.place
  end)
  local listed, names = {}, call('HKEYS', NAMES)
  table.sort(names)
  for _, name in ipairs(names) do
    local of, parts = resource(name), {}
    for _, found in ipairs(entries) do
      local taken = amount(found, name)
      if taken > 0 then
        local priority = 100 - math.floor(found.place / ARRIVALS)
        parts[#parts + 1] = {found.holds and 1 or 0, found.run, found.task, found.host, text(taken), priority,
          text(now - found.since)}
      end
    end
    local is_used = of.whole > now or (of.whole == now and of.part > 0)
    if #parts > 0 or is_used then listed[#listed + 1] = {name, of.capacity, of.run, parts} end
  end
  return {'OK', listed}
end

-- Returns the hosts with sessions: session and host, in turns.
function commands.hosts()
  local all, hosts, seen = call('HVALS', RESERVATIONS), {}, {}
  for i = 1, #all do
    local found = cmsgpack.unpack(all[i])
    if not seen[found.session] then
      seen[found.session] = true
      hosts[#hosts + 1] = found.session
      hosts[#hosts + 1] = found.host
    end
  end
  return {'OK', hosts}
end

return commands[ARGV[1]]()
