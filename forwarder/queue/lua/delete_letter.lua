-- Deletes one dead letter for good.
--
-- KEYS  dead, deleted
-- ARGV  ID of the letter
-- reply 1, or 0 if there is no such letter
--
-- Safe to repeat: the second time, the letter is gone. Works on a full Redis, where letters are deleted to make
-- room: the first write is an XDEL, which Redis never refuses. The count comes after it, so it must not fail.
--#include count

if not count(KEYS[2]) then return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' is not a number') end
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('INCR', KEYS[2])
return 1
