-- Deletes what a resharding noted about a list, and gives the list's lease back.
--
-- KEYS  lease, dead, key to delete, ...
-- ARGV  token, ignored, '1' if the list will no longer exist
-- reply {'tidy'}
--       {'lost'}  the token does not hold the lease
--
-- Safe to repeat: the second time, the lease is gone; if it was acquired again, there is nothing left to delete.
-- It never deletes an event or a letter. Works on a full Redis: it only deletes.

local lease, dead = unpack(KEYS)
if redis.call('GET', lease) ~= ARGV[1] then return {'lost'} end

if ARGV[3] == '1' and redis.call('XLEN', dead) == 0 then redis.call('DEL', dead) end
redis.call('DEL', unpack(KEYS, 3))
redis.call('DEL', lease)
return {'tidy'}
