-- Returns one page of the names of claimed events, and their lengths instead of their bytes. An owner that adopts reads
-- all pages, in any order, and sorts. So its memory holds only names, and it reads the events when there is room.
--
-- KEYS  claimed
-- ARGV  cursor ('0' at first), number of fields to scan
-- reply {next cursor ('0' at the end), number of foreign fields, field, length, field, length, ...}; a field may be
--       returned twice (HSCAN). A field is foreign if no claim has written it.
--
-- Safe to repeat: it only reads.
--#include field

local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local reply = {page[1], 0}
for i = 1, #page[2], 2 do
  if field(page[2][i]) then
    reply[#reply + 1] = page[2][i]
    reply[#reply + 1] = #page[2][i + 1]
  else
    reply[2] = reply[2] + 1
  end
end
return reply
