-- Puts what waits in a list out of the way, once in a resharding, before anything new comes into any list.
--
-- KEYS  lease, list, aside, move (hash: 'page' -> number of the page unloaded last)
-- ARGV  token, milliseconds the lease is prolonged by
-- reply {'aside'}
--       {'lost'}  the token does not hold the lease
--       {'rolled_back'}  something else was set aside, which would be lost
--
-- Safe to repeat: `move` tells that it was done; what is in the list since then is new.
-- Works on a full Redis: the first write is a PEXPIRE.

local lease, list, aside, move = unpack(KEYS)
if redis.call('GET', lease) ~= ARGV[1] then return {'lost'} end
if redis.call('HGET', move, 'page') then return {'aside'} end
if redis.call('TYPE', aside).ok ~= 'none' then return {'rolled_back'} end

redis.call('PEXPIRE', lease, ARGV[2])
redis.call('HSET', move, 'page', 0)
if redis.call('TYPE', list).ok ~= 'none' then redis.call('RENAME', list, aside) end
return {'aside'}
