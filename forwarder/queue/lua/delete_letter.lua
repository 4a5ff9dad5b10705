-- Deletes one dead letter for good.
--
-- KEYS  dead, deleted
-- ARGV  id of the letter
-- reply 1, or 0 if there is no such letter
--
-- Safe to repeat: the letter is gone the second time. Works on a full Redis, which is when room is wanted:
-- the first write is an XDEL, which Redis never refuses, so the count comes after it and must not fail.

local deleted = redis.call('GET', KEYS[2])
if deleted and not string.match(deleted, '^%d+$') then
  return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' is no number')
end
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('INCR', KEYS[2])
return 1
