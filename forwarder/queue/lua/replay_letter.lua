-- Pushes the event of one dead letter as the newest waiting event, and deletes the letter.
--
-- KEYS  list, dead, replayed, sequence, move, dead_groups (see group.lua)
-- ARGV  ID of the letter, the element to push, 'left' or 'right' (where the oldest event is)
-- reply {'pushed', sequence number under which the event will be claimed}
--       {'gone'}    there is no such letter
--       {'moving'}  a resharding is moving the list. What waited was set aside, so an event that is pushed now would
--                   stay behind, in a list that is perhaps no longer its user's
--
-- Safe to repeat: the second time, the letter is gone. The script checks everything before the first write,
-- and deletes nothing before it has pushed.
--#include count
--#include group

if redis.call('TYPE', KEYS[5]).ok ~= 'none' then return {'moving'} end

-- XRANGE also accepts an incomplete ID, which XDEL would not find: the event would be pushed, and the letter stay.
local found = redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])
if #found == 0 or found[1][1] ~= ARGV[1] then return {'gone'} end
for _, key in ipairs({KEYS[3], KEYS[4]}) do
  if not count(key) then return redis.error_reply('WRONGTYPE ' .. key .. ' is not a number') end
end
local sequence = count(KEYS[4])

redis.call(ARGV[3] == 'left' and 'RPUSH' or 'LPUSH', KEYS[1], ARGV[2])
redis.call('INCR', KEYS[3])
redis.call('XDEL', KEYS[2], ARGV[1])
uncount(KEYS[6], found[1][1], found[1][2])
return {'pushed', sequence + redis.call('LLEN', KEYS[1])}
