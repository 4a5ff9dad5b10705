-- Extends a lease that is still held.
--
-- KEYS  lease
-- ARGV  token, milliseconds from now
-- reply {'renewed'} or {'lost'}
--
-- Safe to repeat: it only moves the end of the lease. Works on a full Redis.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'renewed'}
