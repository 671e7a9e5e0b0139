-- Begins every script that works on all keys of a run: their names in order, and the version of what is stored in them.
local call = redis.call
local META, RESULTS, SKIPPED, FAILED, EVENTS, TASKS, EDGES, COORD, READY, TIMES, HOSTS, WAKE, PRINTS, NOTES, LOGS,
  CALLS, OFFERS = unpack(KEYS)
-- Layout 5 has nodes that run again, for which earlier hosts would read the cache, steps in attempts, and deadlines.
local LAYOUT = '5'

