-- Reads keys of a bucket at one moment. Returns only the total size if that is too large.
-- KEYS  1 values
-- ARGV  1 maximum size in bytes, then the keys
local bytes = 0
for i = 2, #ARGV do bytes = bytes + redis.call('HSTRLEN', KEYS[1], ARGV[i]) end
if bytes > tonumber(ARGV[1]) then return bytes end
return redis.call('HMGET', KEYS[1], unpack(ARGV, 2))
