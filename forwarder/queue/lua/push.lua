-- Pushes as many events as may still wait, the first ones first.
--
-- KEYS  list
-- ARGV  RPUSH or LPUSH, how many events may wait in the list, element...
-- reply how many were pushed
--
-- Not safe to repeat, as no push is: it would double events, so nobody repeats it. Its only write is one
-- command, so an error reply means that nothing was pushed.

local room = tonumber(ARGV[2]) - redis.call('LLEN', KEYS[1])
local count = math.max(0, math.min(room, #ARGV - 2))
if count > 0 then redis.call(ARGV[1], KEYS[1], unpack(ARGV, 3, 2 + count)) end
return count
