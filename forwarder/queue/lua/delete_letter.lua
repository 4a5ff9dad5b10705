-- Deletes one dead letter for good.
--
-- KEYS  dead, deleted, move, dead_groups (see group.lua)
-- ARGV  ID of the letter
-- reply {'deleted'}
--       {'gone'}    there is no such letter
--       {'moving'}  a resharding is moving the list. A letter that is gone may be on its way to another list
--
-- Safe to repeat: the second time, the letter is gone. Works on a full Redis, where letters are deleted to make
-- room: the first write is an XDEL, which Redis never refuses. The count comes after it, so it must not fail.
--#include count
--#include group

if redis.call('TYPE', KEYS[3]).ok ~= 'none' then return {'moving'} end
if not count(KEYS[2]) then return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' is not a number') end
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return {'gone'} end
redis.call('INCR', KEYS[2])
uncount(KEYS[4], found[1], found[2])
return {'deleted'}
