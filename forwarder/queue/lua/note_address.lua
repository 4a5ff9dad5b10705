-- Remembers the API address that has answered 202.
--
-- KEYS  address
-- ARGV  the fingerprint of the address, for how many seconds to remember it
-- reply nothing
--
-- Safe to repeat: it writes the same again. Works on a full Redis: the first write is a PEXPIRE.

redis.call('PEXPIRE', KEYS[1], 60000)
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return false
