-- Returns what the server of a list reports about itself. In a cluster, only that server matters.
--
-- KEYS  list
-- ARGV  none
-- reply the text of INFO
--
-- Safe to repeat: it only reads.

return redis.call('INFO')
