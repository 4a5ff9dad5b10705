-- One page of the names of claimed events, without their bytes. Adoption reads them all, in any order,
-- and sorts; so the worker's memory holds names only, and events are read when there is room for them.
--
-- KEYS  claimed
-- ARGV  cursor ('0' at first), how many to look at
-- reply {next cursor ('0' at the end), field, field, ...}; a field may come twice (HSCAN)
--
-- Reads only.

local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local reply = {page[1]}
for i = 1, #page[2], 2 do reply[#reply + 1] = page[2][i] end
return reply
