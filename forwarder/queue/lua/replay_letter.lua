-- Puts one dead letter back at the end of the list, as the newest waiting event.
--
-- KEYS  list, dead, replayed, sequence
-- ARGV  id of the letter, the element to push, 'left' or 'right' (where the oldest is)
-- reply the sequence number under which it will be claimed, or 0 if there is no such letter
--
-- Safe to repeat: the letter is gone the second time. Everything is checked before the first write, and
-- nothing is deleted before it is pushed.

-- XRANGE also takes half an id, for which XDEL would find nothing: the letter would be pushed and stay.
local found = redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])
if #found == 0 or found[1][1] ~= ARGV[1] then return 0 end
local replayed = redis.call('GET', KEYS[3])
if replayed and not string.match(replayed, '^%d+$') then
  return redis.error_reply('WRONGTYPE ' .. KEYS[3] .. ' is no number')
end
local sequence = tonumber(redis.call('GET', KEYS[4]) or 0)

redis.call(ARGV[3] == 'left' and 'RPUSH' or 'LPUSH', KEYS[1], ARGV[2])
redis.call('INCR', KEYS[3])
redis.call('XDEL', KEYS[2], ARGV[1])
return sequence + redis.call('LLEN', KEYS[1])
