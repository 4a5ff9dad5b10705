-- Looks for events that are still claimed, by their sequence numbers, in one page of the claimed hash.
--
-- KEYS  claimed, sequence
-- ARGV  cursor ('0' at first), smallest number, largest number
-- reply {next cursor ('0' at the end), how many events were ever claimed, number, number, ...}
--
-- Safe to repeat: it only reads, and never everything at once, because the hash may hold a million events. HSCAN
-- finds every event that is claimed during the whole scan. So an event that was claimed and is not found is settled.
--#include count
--#include field

local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', 1000)
local reply = {page[1], count(KEYS[2]) or 0}
local least, greatest = tonumber(ARGV[2]), tonumber(ARGV[3])
for i = 1, #page[2], 2 do
  local number = field(page[2][i])
  if number and number >= least and number <= greatest then reply[#reply + 1] = number end
end
return reply
