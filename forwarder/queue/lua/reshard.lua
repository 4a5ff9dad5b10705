-- Writes the number of lists of a queue, or that it is about to change, but only while no worker is running.
--
-- KEYS  workers (hash: id -> row, see include/row.lua), shards
-- ARGV  the text that is expected there ('' if none), the new text
-- reply {'written'}
--       {'otherwise', text}  there is another text
--       {'workers'}  a worker is running
--
-- Safe to repeat: the second call finds its own text and changes nothing; it replies 'otherwise'.
-- Works on a full Redis: the first write is a PEXPIRE. The SET removes the time limit again.

--#include row
local workers, shards = unpack(KEYS)
local present = redis.call('GET', shards) or ''
if present ~= ARGV[1] then return {'otherwise', present} end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local all = redis.call('HGETALL', workers)
for i = 2, #all, 2 do
  local came, last = row(all[i], now)
  if came and came > 0 and last > now then return {'workers'} end
end

redis.call('PEXPIRE', shards, 60000)
redis.call('SET', shards, ARGV[2])
return {'written'}
