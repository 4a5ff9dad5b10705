-- Ends claims: accepted events are deleted, refused events become dead letters.
--
-- KEYS  claimed, lease, settlement, accepted, dead_lettered, dead, allowance
-- ARGV  token, milliseconds by which the lease is extended, number of this settlement,
--       accepted events, msgpack: {{stamp, {number, number, ...}}, ...}
--       dead letters, msgpack: {{field, reason, status, detail, user, attempts}, ...}
--       how many of the dead letters an operator has allowed; this number is taken off the allowance
-- reply {'settled'}
--       {'lost'}  the token does not hold the lease
--       {'rolled_back'}  this is not the next settlement, an event is not claimed, or a count is not a number:
--                        adopt again
--
-- Safe to repeat: the settlements of a list are numbered, and a call with the last number again changes nothing.
-- The script checks everything before it changes anything but the lease's time, and writes letters before it deletes
-- anything. Works on a full Redis: the first write is a PEXPIRE. It comes before every other reply, so any of them
-- means that the lease was extended. The arguments are packed because a client spends about 1 us on each.
--#include count

local claimed, lease, settlement, accepted, dead_lettered, dead, allowance = unpack(KEYS)
if redis.call('GET', lease) ~= ARGV[1] then return {'lost'} end
redis.call('PEXPIRE', lease, ARGV[2])

local number, last = tonumber(ARGV[3]), count(settlement)
if number == last then return {'settled'} end
if not last or number ~= last + 1 then return {'rolled_back'} end
if not count(accepted) or not count(dead_lettered) then return {'rolled_back'} end
local allowed, left = tonumber(ARGV[6]), count(allowance) or 0

local fields, elements = {}, {}
for _, group in ipairs(cmsgpack.unpack(ARGV[4])) do
  local form, numbers = '%.0f-' .. group[1], group[2]
  for i = 1, #numbers do fields[#fields + 1] = string.format(form, numbers[i]) end
end
for i = 1, #fields do
  if redis.call('HEXISTS', claimed, fields[i]) == 0 then return {'rolled_back'} end
end
local accepted_count = #fields
local letters = cmsgpack.unpack(ARGV[5])
for i, letter in ipairs(letters) do
  elements[i] = redis.call('HGET', claimed, letter[1])
  if not elements[i] then return {'rolled_back'} end
  fields[#fields + 1] = letter[1]
end

for i, letter in ipairs(letters) do
  redis.call('XADD', dead, '*', 'element', elements[i], 'reason', letter[2], 'status', letter[3],
    'detail', letter[4], 'user_id', letter[5], 'claimed_at', string.match(letter[1], '%d+$'), 'attempts', letter[6])
end
if accepted_count > 0 then redis.call('INCRBY', accepted, accepted_count) end
if #letters > 0 then redis.call('INCRBY', dead_lettered, #letters) end
if allowed > 0 and left > allowed then
  redis.call('INCRBY', allowance, -allowed)
elseif allowed > 0 then
  redis.call('DEL', allowance)
end
redis.call('SET', settlement, ARGV[3])
-- unpack accepts at most 7,999 values
for from = 1, #fields, 4000 do
  redis.call('HDEL', claimed, unpack(fields, from, math.min(from + 3999, #fields)))
end
return {'settled'}
