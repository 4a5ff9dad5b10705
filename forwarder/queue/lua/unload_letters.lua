-- Takes a page of dead letters out of a list, and their share of the counts.
-- The page stays in `stage` until it is in its new lists. The next call then deletes it.
--
-- KEYS  lease, stage, move, dead, sequence, dead_lettered
-- ARGV  token, milliseconds by which the lease is extended, number of the last page that is in its new lists,
--       most bytes, '<ID> <shard that it goes to>', ... (oldest first)
-- reply {'page', number, how many of the letters have been handled, item, item, ...}
--         an item is 'l<shard> <letter, for load.lua>'; without items there are no more letters
--       {'lost'}  the token does not hold the lease
--       {'wrongtype', key, what was found, what is expected}
--
-- Safe to repeat: a page that is not in its new lists yet is returned again, and nothing is taken.
-- Works on a full Redis: the first write is a PEXPIRE. It copies first and deletes last.
--#include count

local lease, stage, move, dead, sequence, dead_lettered = unpack(KEYS)
if redis.call('GET', lease) ~= ARGV[1] then return {'lost'} end
redis.call('PEXPIRE', lease, ARGV[2])

local number = whole(redis.call('HGET', move, 'page') or '0')
if not number then return {'wrongtype', move, 'other text', 'the number of a page'} end
local staged = redis.call('LRANGE', stage, 0, -1)
if #staged > 0 and number ~= tonumber(ARGV[3]) then return {'page', number, 0, unpack(staged)} end

local most_bytes = tonumber(ARGV[4])
local items, taken, bytes, dealt = {}, {}, 0, 0
for i = 5, #ARGV do
  if bytes >= most_bytes then break end
  local id, shard = string.match(ARGV[i], '^(%S+) (%d+)$')
  local found = redis.call('XRANGE', dead, id, id)
  dealt = dealt + 1
  if found[1] then
    taken[#taken + 1] = id
    items[#items + 1] = 'l' .. shard .. ' ' .. cmsgpack.pack(found[1])
    bytes = bytes + #items[#items]
  end
end

redis.call('DEL', stage)
if #items == 0 then return {'page', number, dealt} end

redis.call('RPUSH', stage, unpack(items))
redis.call('HSET', move, 'page', number + 1)
for _, key in ipairs({sequence, dead_lettered}) do
  local before = tonumber(redis.call('GET', key) or 0)
  redis.call('SET', key, string.format('%.0f', math.max(0, before - #taken)))
end
redis.call('XDEL', dead, unpack(taken))
return {'page', number + 1, dealt, unpack(items)}
