-- Returns one page of the names of claimed events, and their lengths instead of their bytes. An owner that adopts reads
-- all pages, in any order, and sorts. So its memory holds only names, and it reads the events when there is room.
--
-- KEYS  claimed, lease
-- ARGV  token, milliseconds by which the lease is extended, cursor ('0' at first), number of fields to scan
-- reply {'page', next cursor ('0' at the end), number of foreign fields, field, length, field, length, ...}; a field may
--       be returned twice (HSCAN). A field is foreign if no claim has written it.
--       {'lost'}  the token does not hold the lease. What it found would be what another owner has left. If Redis then
--       went back in time, to when the token held the lease, nothing would tell its owner to adopt again.
--
-- Safe to repeat: it changes nothing but the lease's time. Works on a full Redis: its only write is a PEXPIRE.
--#include field

if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {'lost'} end
redis.call('PEXPIRE', KEYS[2], ARGV[2])

local page = redis.call('HSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[4])
local reply = {'page', page[1], 0}
for i = 1, #page[2], 2 do
  if field(page[2][i]) then
    reply[#reply + 1] = page[2][i]
    reply[#reply + 1] = #page[2][i + 1]
  else
    reply[3] = reply[3] + 1
  end
end
return reply
