-- Claims the oldest waiting events: they move from the list to the claimed hash.
--
-- KEYS  list, claimed, lease, sequence, settlement
-- ARGV  token, milliseconds by which the lease is extended, sequence number that the owner expects,
--       number of its last settlement, most events, most bytes, most bytes of one event, 'left' or 'right' (where the oldest event is)
-- reply {'claimed', sequence number before, stamp, events still waiting, element, element, ...}
--         element i has number (sequence number before + i); if it is longer than one event may be, its length
--         stands for it, because it is not worth its transfer
--       {'again', sequence number now, events still waiting}  the reply was lost: what was claimed has the numbers above
--         the expected one
--       {'lost'}  the token does not hold the lease
--       {'rolled_back'}  Redis has lost data that it had acknowledged, or somebody has changed it: adopt again.
--         The last settlement shows it too. On a list that is empty, no claim and no settlement would come that notices
--         it, and what is claimed again would stay claimed.
--
-- Safe to repeat: the expected sequence number identifies a repeated call, which claims nothing. The owner then looks for
-- the events. There is no index by number, and to scan two million claimed events here would stop Redis for seconds.
-- The stamp (Redis TIME, microseconds) is part of the field's name. So if the script runs again after
-- a rollback, it can never store another event under a name that the owner is about to settle.
-- Lua does not roll back, so the script checks first, copies, and deletes last. Works on a full Redis: the
-- first write is a PEXPIRE. It comes before every other reply, so any of them means that the lease was extended.
--#include count

local list, claimed, lease, sequence, settlement = unpack(KEYS)
if redis.call('GET', lease) ~= ARGV[1] then return {'lost'} end
redis.call('PEXPIRE', lease, ARGV[2])

local expected, last = tonumber(ARGV[3]), tonumber(ARGV[4])
local most, most_bytes, most_of_one = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local from_left = ARGV[8] == 'left'
local before, settled = count(sequence), count(settlement)
if not before or before < expected then return {'rolled_back'} end
if not settled or settled < last then return {'rolled_back'} end

local function transferred(element) return #element > most_of_one and #element or element end

if before > expected then return {'again', before, redis.call('LLEN', list)} end

local time = redis.call('TIME')
local stamp = time[1] .. string.format('%06d', time[2])

-- Pages start small and grow, so that thousands of huge elements are never in memory at once.
local elements, bytes, page_size = {}, 0, 8
while #elements < most and bytes < most_bytes do
  local from, to = #elements, math.min(#elements + page_size, most) - 1
  if not from_left then from, to = -to - 1, -from - 1 end
  local page = redis.call('LRANGE', list, from, to)
  if #page == 0 then break end
  for i = 1, #page do
    local element = from_left and page[i] or page[#page + 1 - i]
    bytes = bytes + #element
    elements[#elements + 1] = element
    if bytes >= most_bytes then break end
  end
  page_size = page_size * 2
end
if #elements == 0 then return {'claimed', before, stamp, 0} end

local reply = {'claimed', before, stamp, redis.call('LLEN', list) - #elements}
local form = '%.0f-' .. stamp
local page, size = {}, 0
for i = 1, #elements do
  page[size + 1] = string.format(form, before + i)
  page[size + 2] = elements[i]
  size = size + 2
  reply[4 + i] = transferred(elements[i])
  -- unpack accepts at most 7,999 values
  if size >= 4000 or i == #elements then
    redis.call('HSET', claimed, unpack(page, 1, size))
    size = 0
  end
end
redis.call('SET', sequence, string.format('%.0f', before + #elements))
if from_left then
  redis.call('LTRIM', list, #elements, -1)
else
  redis.call('LTRIM', list, 0, -#elements - 1)
end
return reply
