-- What the server says of itself that holds a list: in a cluster, the one that matters.
--
-- KEYS  list
-- reply the text of INFO
--
-- Reads only.

return redis.call('INFO')
