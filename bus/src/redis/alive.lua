-- Notes the members of queue groups in ARGV as alive, by the server's own clock, and forgets those long gone.
local now = tonumber(redis.call('TIME')[1])
for _, member in ipairs(ARGV) do redis.call('ZADD', KEYS[1], now, member) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 60)
redis.call('EXPIRE', KEYS[1], 120)
return 1
