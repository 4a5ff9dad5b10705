-- Adds a list's part of a page that was unloaded from another list, as the newest items.
--
-- KEYS  lease, moved (hash: list -> number of its last page that was loaded here), list, dead,
--       sequence, accepted, dead_lettered, replayed, deleted
-- ARGV  token, milliseconds by which the lease is extended, the list that was unloaded, number of the page,
--       'left' or 'right' (where the oldest event is), item, item, ...
--         'e<element>'  an event
--         'l<letter, as unload_letters.lua packed it>'
--         'c<sequence> <accepted> <dead_lettered> <replayed> <deleted>'
-- reply {'loaded'}
--       {'lost'}  the token does not hold the lease
--       {'wrongtype', key, what was found, what is expected}
--
-- Safe to repeat: `moved` shows that the page was loaded. It never names a later page: then somebody else has written
-- it, and the page would be lost.
-- A letter keeps its ID, unless the stream already has a later one.
-- Works on a full Redis: the first write is a PEXPIRE.
--#include count

local lease, moved, list, dead = unpack(KEYS)
if redis.call('GET', lease) ~= ARGV[1] then return {'lost'} end
redis.call('PEXPIRE', lease, ARGV[2])
local last, number = whole(redis.call('HGET', moved, ARGV[3]) or '0'), tonumber(ARGV[4])
if not last or last > number then return {'wrongtype', moved, 'other text', 'the number of a page'} end
if last == number then return {'loaded'} end

local events, letters, counts = {}, {}, {0, 0, 0, 0, 0}
for i = 6, #ARGV do
  local kind, rest = string.sub(ARGV[i], 1, 1), string.sub(ARGV[i], 2)
  if kind == 'e' then
    events[#events + 1] = rest
  elseif kind == 'l' then
    letters[#letters + 1] = cmsgpack.unpack(rest)
    counts[1], counts[3] = counts[1] + 1, counts[3] + 1
  else
    local at = 0
    for digits in string.gmatch(rest, '%d+') do
      at = at + 1
      counts[at] = counts[at] + tonumber(digits)
    end
  end
end

if #events > 0 then redis.call(ARGV[5] == 'left' and 'RPUSH' or 'LPUSH', list, unpack(events)) end
for _, letter in ipairs(letters) do
  local added = redis.pcall('XADD', dead, letter[1], unpack(letter[2]))
  if type(added) == 'table' then redis.call('XADD', dead, '*', unpack(letter[2])) end
end
for i = 1, 5 do
  if counts[i] > 0 then redis.call('INCRBY', KEYS[4 + i], string.format('%.0f', counts[i])) end
end
redis.call('HSET', moved, ARGV[3], ARGV[4])
return {'loaded'}
