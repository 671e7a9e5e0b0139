-- Summarizes a run: fields of its meta, and its live hosts by the server's clock.
-- KEYS  1 meta  2 hosts
-- ARGV  the fields
-- Returns nil if the run does not exist.
local call = redis.call
if call('EXISTS', KEYS[1]) == 0 then return false end
local now = call('TIME')
local millis = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
return { call('HMGET', KEYS[1], unpack(ARGV)), call('ZRANGEBYSCORE', KEYS[2], '(' .. millis, '(inf') }
