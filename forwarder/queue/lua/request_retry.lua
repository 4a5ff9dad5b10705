-- Asks all workers to try now. Each follows once it reads a text that it has not read before.
--
-- KEYS  retry
-- ARGV  a random text, milliseconds after which the request is forgotten
-- reply 1
--
-- Safe to repeat: the text stays the same.
-- Works on a full Redis, as an outage may leave one behind: the first write is a PEXPIRE.

redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
