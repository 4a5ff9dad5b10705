-- Reports that a worker has stopped. The others take its place at once, and its part of the rate after a second: the
-- POSTs that it started within the last one still count.
--
-- KEYS  workers (hash: id -> row, see include/row.lua), about (hash: id -> JSON)
-- ARGV  id
-- reply {'left'}
--
-- Safe to repeat: the row has no place any more, or is gone. What holds the grant is not made to last longer.
-- Works on a full Redis: the first write is a PEXPIRE or an HDEL.

--#include row
local workers, abouts, id = KEYS[1], KEYS[2], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local came, _, call, limit, grant, use, eager = row(redis.call('HGET', workers, id) or '', now)
redis.pcall('HDEL', abouts, id) -- whatever this key holds, the worker leaves
if not came or grant == 0 then
  redis.call('HDEL', workers, id)
  return {'left'}
end
if came == 0 then return {'left'} end
redis.call('PEXPIRE', workers, math.max(1000, redis.call('PTTL', workers)))
redis.call('HSET', workers, id, cmsgpack.pack(0, now + 1000000, call, limit, grant, use, eager, ''))
return {'left'}
