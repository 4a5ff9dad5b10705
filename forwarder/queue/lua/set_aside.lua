-- Sets the waiting events of a list aside, once in a resharding, before anything new is loaded into any list.
--
-- KEYS  lease, list, aside, move (hash: 'page' -> number of the page that was unloaded last)
-- ARGV  token, milliseconds by which the lease is extended
-- reply {'aside'}
--       {'lost'}  the token does not hold the lease
--       {'rolled_back'}  other events were set aside already, and would be lost
--
-- Safe to repeat: `move` shows that it was done. What has been pushed to the list since then is new.
-- Works on a full Redis: the first write is a PEXPIRE.

local lease, list, aside, move = unpack(KEYS)
if redis.call('GET', lease) ~= ARGV[1] then return {'lost'} end
redis.call('PEXPIRE', lease, ARGV[2])
if redis.call('HGET', move, 'page') then return {'aside'} end
if redis.call('TYPE', aside).ok ~= 'none' then return {'rolled_back'} end

redis.call('HSET', move, 'page', 0)
if redis.call('TYPE', list).ok ~= 'none' then redis.call('RENAME', list, aside) end
return {'aside'}
