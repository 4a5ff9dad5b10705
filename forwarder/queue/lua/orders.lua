-- Reads what all workers of a queue are to do, in one round trip: a worker sends this with every heartbeat.
--
-- KEYS  halt, retry, pause
-- reply {the halt as JSON, the latest request to try now, the pause as JSON}, each false if there is none
--
-- Safe to repeat: it only reads. Needs no right but GET, which every worker has.

return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), redis.call('GET', KEYS[3])}
