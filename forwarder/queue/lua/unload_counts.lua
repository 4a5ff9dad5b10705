-- Takes the counts out of a list that will no longer exist. They stay in `stage` until they have been added to
-- those of another list. The next call then deletes them.
--
-- KEYS  lease, stage, move, sequence, accepted, dead_lettered, replayed, deleted
-- ARGV  token, milliseconds by which the lease is extended, number of the last page that is in its new lists
-- reply {'page', number, 0, item}
--         the item is 'c<counts, for load.lua>'; without an item there are no counts
--       {'lost'}  the token does not hold the lease
--       {'wrongtype', key, what was found, what is expected}
--
-- Safe to repeat: a page that is not in its new lists yet is returned again, and nothing is taken.
-- Works on a full Redis: the first write is a PEXPIRE. It copies first and deletes last.
--#include count

local lease, stage, move = unpack(KEYS)
if redis.call('GET', lease) ~= ARGV[1] then return {'lost'} end
redis.call('PEXPIRE', lease, ARGV[2])

local number = whole(redis.call('HGET', move, 'page') or '0')
if not number then return {'wrongtype', move, 'other text', 'the number of a page'} end
local staged = redis.call('LRANGE', stage, 0, -1)
if #staged > 0 and number ~= tonumber(ARGV[3]) then return {'page', number, 0, unpack(staged)} end

local counts, some = {}, false
for i = 4, 8 do
  counts[i - 3] = redis.call('GET', KEYS[i]) or '0'
  some = some or counts[i - 3] ~= '0'
end

redis.call('DEL', stage)
if not some then
  redis.call('DEL', unpack(KEYS, 4, 8))
  return {'page', number, 0}
end

local item = 'c' .. table.concat(counts, ' ')
redis.call('RPUSH', stage, item)
redis.call('HSET', move, 'page', number + 1)
redis.call('DEL', unpack(KEYS, 4, 8))
return {'page', number + 1, 0, item}
