-- Reads what all workers of a queue are to do, in one round trip: a worker sends this with every heartbeat.
--
-- KEYS  halt, retry
-- reply {the halt as JSON or nil, the latest request to try now or nil}
--
-- Safe to repeat: it only reads. Needs no right but GET, which every worker has.

return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])}
