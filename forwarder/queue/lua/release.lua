-- Gives a lease back, so that the next worker need not wait for its end.
--
-- KEYS  lease
-- ARGV  token
-- reply {'released'} or {'lost'}
--
-- Safe to repeat: only the holder's token deletes the lease, and no token is used for two acquisitions.
-- Works on a full Redis: it only deletes.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
redis.call('DEL', KEYS[1])
return {'released'}
