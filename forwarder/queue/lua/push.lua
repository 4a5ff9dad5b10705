-- Pushes as many events as may still wait in the list, in the given order.
--
-- KEYS  list
-- ARGV  RPUSH or LPUSH, how many events may wait in the list, element...
-- reply how many events were pushed
--
-- Not safe to repeat: it would double events. So nothing repeats it; `push_once.lua` can be. Its only write is one
-- command, so an error reply means that nothing was pushed.

local room = tonumber(ARGV[2]) - redis.call('LLEN', KEYS[1])
local count = math.max(0, math.min(room, #ARGV - 2))
if count > 0 then redis.call(ARGV[1], KEYS[1], unpack(ARGV, 3, 2 + count)) end
return count
