-- Pushes the next events of a file onto a list, if the file's mark says that exactly those before them were pushed.
--
-- KEYS  list, mark
-- ARGV  RPUSH or LPUSH, milliseconds that the mark lives, the mark before (0: nothing was pushed), what to add to it,
--       element...
-- reply the mark, as text; if it is neither the one before nor the one after, nothing was pushed
--
-- Safe to repeat: the mark has moved, so nothing is pushed, and the reply is the same.
-- The mark has more digits than a Lua number, so nothing is computed here.
-- INCRBY and GETEX come first: a missing right, a full Redis, a replica or a mark of another type ends the script while
-- nothing is pushed. They do nothing to a list, so a producer may have them.

redis.call('INCRBY', KEYS[2], 0)
local mark = redis.call('GETEX', KEYS[2], 'PX', ARGV[2])
if mark == ARGV[3] then
  redis.call(ARGV[1], KEYS[1], unpack(ARGV, 5))
  redis.call('INCRBY', KEYS[2], ARGV[4])
  mark = redis.call('GET', KEYS[2])
end
return mark
