-- Writes down how many lists a queue has, or that this is about to change; only while no worker is at work.
--
-- KEYS  workers, shards
-- ARGV  what is written there now ('' if nothing), what is to be
-- reply {'written'}
--       {'otherwise', text}  something else is written there
--       {'workers'}  a worker is at work
--
-- Safe to repeat: the second call finds its own text, and says so.
-- Works on a full Redis: the first write is a PEXPIRE, and SET takes its effect away again.

local workers, shards = unpack(KEYS)
local present = redis.call('GET', shards) or ''
if present ~= ARGV[1] then return {'otherwise', present} end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local all = redis.call('HGETALL', workers)
for i = 2, #all, 2 do
  local forgotten = string.match(all[i], '^%d+ (%d+) ')
  if forgotten and tonumber(forgotten) > now then return {'workers'} end
end

redis.call('PEXPIRE', shards, 60000)
redis.call('SET', shards, ARGV[2])
return {'written'}
