-- Ends single-flight for an entry: stores the value, or lets another maker compute it if there is none.
-- Returns 2 if another maker waits, else 1.
-- KEYS  1 value  2 the maker: its number, followed by `!` once another one waits
-- ARGV  maker, TTL of the value in milliseconds or '', the value if there is one
if ARGV[3] then
  if ARGV[2] == '' then
    redis.call('SET', KEYS[1], ARGV[3])
  else
    redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
  end
end
-- A maker that lost the entry to another one ends nothing.
local maker = redis.call('GET', KEYS[2])
if maker ~= ARGV[1] and maker ~= ARGV[1] .. '!' then return 1 end
redis.call('UNLINK', KEYS[2])
return maker == ARGV[1] and 1 or 2
