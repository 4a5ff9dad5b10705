-- Forgets what a resharding noted about a list, and gives its lease back.
--
-- KEYS  lease, dead, keys that are to be deleted, ...
-- ARGV  token, ignored, '1' if there will be no such list
-- reply {'tidy'}
--       {'lost'}  the token does not hold the lease
--
-- Safe to repeat: the lease is gone the second time, and if it is taken again there is nothing to delete.
-- No event and no letter is ever deleted.

local lease, dead = unpack(KEYS)
if redis.call('GET', lease) ~= ARGV[1] then return {'lost'} end

if ARGV[3] == '1' and redis.call('XLEN', dead) == 0 then redis.call('DEL', dead) end
redis.call('DEL', unpack(KEYS, 3))
redis.call('DEL', lease)
return {'tidy'}
