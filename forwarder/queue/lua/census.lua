-- Counts everything that belongs to a list at one instant, so that the sums can be compared exactly.
--
-- KEYS  list, claimed, lease, sequence, settlement, accepted, dead_lettered, replayed, deleted, dead
-- reply {waiting, claimed, lease's token or nil, its milliseconds left, sequence, settlement, accepted,
--        dead_lettered, replayed, deleted, letters}
--
-- Reads only.

local reply = {
  redis.call('LLEN', KEYS[1]), redis.call('HLEN', KEYS[2]),
  redis.call('GET', KEYS[3]), redis.call('PTTL', KEYS[3]),
}
for i = 4, 9 do reply[i + 1] = tonumber(redis.call('GET', KEYS[i]) or 0) end
reply[11] = redis.call('XLEN', KEYS[10])
return reply
