-- Takes a page of events out of a list: first the claimed ones, then those that were set aside.
-- The page stays in `stage` until it is in its new lists. The next call then deletes it.
--
-- KEYS  lease, stage, move, claimed, aside, sequence
-- ARGV  token, milliseconds by which the lease is extended, number of the last page that is in its new lists,
--       most bytes, most items, 'left' or 'right' (where the oldest event is), field, field, ... (claimed events,
--       oldest first)
-- reply {'page', number, how many of the fields have been handled, item, item, ...}
--         an item is 'e<stamp> <element>', without the stamp if the event was not claimed; without items
--         there are no more events
--       {'lost'}  the token does not hold the lease
--       {'wrongtype', key, what was found, what is expected}
--       {'rolled_back'}  there are claimed events that no field names
--
-- Safe to repeat: a page that is not in its new lists yet is returned again, and nothing is taken.
-- Works on a full Redis: the first write is a PEXPIRE. It copies first and deletes last.
--#include count

local lease, stage, move, claimed, aside, sequence = unpack(KEYS)
if redis.call('GET', lease) ~= ARGV[1] then return {'lost'} end
redis.call('PEXPIRE', lease, ARGV[2])

local number = whole(redis.call('HGET', move, 'page') or '0')
if not number then return {'wrongtype', move, 'other text', 'the number of a page'} end
local staged = redis.call('LRANGE', stage, 0, -1)
if #staged > 0 and number ~= tonumber(ARGV[3]) then return {'page', number, 0, unpack(staged)} end

local most_bytes, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local items, taken, bytes, dealt = {}, {}, 0, 0
for i = 7, #ARGV do
  if #items >= most or bytes >= most_bytes then break end
  local element = redis.call('HGET', claimed, ARGV[i])
  dealt = dealt + 1
  if element then
    bytes = bytes + #element
    taken[#taken + 1] = ARGV[i]
    items[#items + 1] = 'e' .. string.match(ARGV[i], '%d+$') .. ' ' .. element
  end
end

local from_aside = 0
if redis.call('HLEN', claimed) == #taken then
  -- Pages start small and grow, so that thousands of huge elements are never in memory at once.
  local from_left, page_size = ARGV[6] == 'left', 8
  while #items < most and bytes < most_bytes do
    local from, to = from_aside, from_aside + math.min(page_size, most - #items) - 1
    if not from_left then from, to = -to - 1, -from - 1 end
    local page = redis.call('LRANGE', aside, from, to)
    if #page == 0 then break end
    for i = 1, #page do
      local element = from_left and page[i] or page[#page + 1 - i]
      bytes = bytes + #element
      items[#items + 1] = 'e ' .. element
      from_aside = from_aside + 1
      if bytes >= most_bytes then break end
    end
    page_size = page_size * 2
  end
elseif #items == 0 and dealt == #ARGV - 6 then
  return {'rolled_back'}
end

redis.call('DEL', stage)
if #items == 0 then return {'page', number, dealt} end

redis.call('RPUSH', stage, unpack(items))
redis.call('HSET', move, 'page', number + 1)
if #taken > 0 then
  local before = tonumber(redis.call('GET', sequence) or 0)
  redis.call('SET', sequence, string.format('%.0f', math.max(0, before - #taken)))
  redis.call('HDEL', claimed, unpack(taken))
end
if from_aside > 0 then
  if ARGV[6] == 'left' then
    redis.call('LTRIM', aside, from_aside, -1)
  else
    redis.call('LTRIM', aside, 0, -from_aside - 1)
  end
end
return {'page', number + 1, dealt, unpack(items)}
