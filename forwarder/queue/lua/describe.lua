-- Reports that a worker runs that has no place among the others: it is halted, or finishes what is in flight. Its row is
-- for people. It has no part in the fleet's sums, and does not keep anybody from resharding.
--
-- KEYS  workers (hash: id -> row, see include/row.lua), about (hash: id -> JSON; no script reads that)
-- ARGV  id, number of this call (each call of a worker has a higher one), milliseconds until it is forgotten at least,
--       JSON for those who show it
-- reply {'described', number of rows}
--
-- A worker that has just left may still hold a grant, for a second: the POSTs that it started within the last one still
-- count. Until then its row stays as leave.lua has written it.
--
-- Each heartbeat sweeps rows that are overdue. If all workers are halted, there is none. So a worker sweeps when it
-- comes: no row is added without that, however often halted workers are restarted.
--
-- Safe to repeat: a call with a number that is not higher than that in the row changes nothing. It may be an old one,
-- and the worker has a place again since.
-- Works on a full Redis: the first write is a PEXPIRE.

--#include row
local workers, abouts = unpack(KEYS)
local id, number, least = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local about_kind = redis.call('TYPE', abouts).ok
local shown = about_kind == 'hash' or about_kind == 'none' -- anything else is not ours, and nothing depends on it

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local came, last, call, limit, grant, use, eager = row(redis.call('HGET', workers, id) or '', now)
if call and number <= call then return {'described', redis.call('HLEN', workers)} end

-- A worker writes its row every max(1, workers / 100) seconds; three of these may be late.
local milliseconds = math.max(least, 30 * redis.call('HLEN', workers))
local kept = math.max(milliseconds, redis.call('PTTL', workers))
redis.call('PEXPIRE', workers, kept)
if not came then
  local all = redis.call('HGETALL', workers)
  for i = 1, #all, 2 do
    local its_came, its_last = row(all[i + 1], now)
    if not its_came or its_last < now then
      redis.call('HDEL', workers, all[i])
      if shown then redis.call('HDEL', abouts, all[i]) end
    end
  end
end
if came and grant > 0 and last >= now then
  if came > 0 then last = now + 1000000 end
else
  last, limit, grant, use, eager = now + milliseconds * 1000, 0, 0, 0, 0
end
redis.call('HSET', workers, id, cmsgpack.pack(0, last, number, limit, grant, use, eager, ''))
redis.call('PEXPIRE', workers, kept)
if shown then
  redis.call('HSET', abouts, id, ARGV[4])
  redis.call('PEXPIRE', abouts, kept)
end
return {'described', redis.call('HLEN', workers)}
