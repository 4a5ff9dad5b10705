-- Counts everything that belongs to a list at one instant, so that the sums can be compared exactly.
--
-- KEYS  list, claimed, lease, sequence, settlement, accepted, dead_lettered, replayed, deleted, dead
-- ARGV  none
-- reply {'counted', waiting, claimed, token of the lease or nil, milliseconds that it still lasts, sequence,
--        settlement, accepted, dead_lettered, replayed, deleted, letters}
--       {'wrongtype', key, what was found, what is expected}
--
-- Safe to repeat: it only reads.
--#include count
--#include foreign

local wrong = foreign()
if wrong then return wrong end

local reply = {
  'counted', redis.call('LLEN', KEYS[1]), redis.call('HLEN', KEYS[2]),
  redis.call('GET', KEYS[3]), redis.call('PTTL', KEYS[3]),
}
for i = 4, 9 do reply[i + 2] = count(KEYS[i]) end
reply[12] = redis.call('XLEN', KEYS[10])
return reply
