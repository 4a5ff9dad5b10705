-- Puts one dead letter back at the end of the list, as the newest waiting event.
--
-- KEYS  list, dead, replayed
-- ARGV  id of the letter, the element to push, 'left' or 'right' (where the oldest is)
-- reply 1, or 0 if there is no such letter
--
-- Safe to repeat: the letter is gone the second time. Nothing is deleted before it is pushed.

if #redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1]) == 0 then return 0 end
redis.call(ARGV[3] == 'left' and 'RPUSH' or 'LPUSH', KEYS[1], ARGV[2])
redis.call('INCR', KEYS[3])
redis.call('XDEL', KEYS[2], ARGV[1])
return 1
