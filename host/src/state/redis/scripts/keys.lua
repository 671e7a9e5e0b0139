-- Begins every script that works on all keys of a run: their names in order, and the version of what is stored in them.
local call = redis.call
local META, RESULTS, SKIPPED, FAILED, EVENTS, TASKS, EDGES, COORD, READY, TIMES, HOSTS, WAKE, PRINTS, NOTES, LOGS,
  CALLS, OFFERS = unpack(KEYS)
-- Layout 6 has finally tasks, which earlier hosts would neither hand out nor wait for.
local LAYOUT = '6'

