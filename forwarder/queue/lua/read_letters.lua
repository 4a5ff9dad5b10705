-- Returns dead letters between two IDs, with long fields cut.
--
-- KEYS  dead
-- ARGV  most letters, bytes of elements after which it stops, most bytes of a field, 'oldest' or 'newest' (which come
--       first), first ID, last ID ('-' is the smallest ID, '+' the largest; '(' excludes an ID)
-- reply letters; a letter is {ID, length of its element, its fields}
--
-- Safe to repeat: it only reads. It reads one letter at a time: an element that was too long to be claimed may be
-- as long as Redis allows, and neither Redis nor the caller should hold more than one of those.

local most, bytes, cut, newest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == 'newest'
local first, last = ARGV[5], ARGV[6]
local letters = {}
while #letters < most and bytes > 0 do
  local found
  if newest then
    found = redis.call('XREVRANGE', KEYS[1], last, first, 'COUNT', 1)[1]
  else
    found = redis.call('XRANGE', KEYS[1], first, last, 'COUNT', 1)[1]
  end
  if not found then break end
  local id, fields = found[1], found[2]
  local length = 0
  for i = 1, #fields, 2 do
    if fields[i] == 'element' then length = #fields[i + 1] end
    fields[i + 1] = string.sub(fields[i + 1], 1, cut)
  end
  letters[#letters + 1] = {id, length, fields}
  bytes = bytes - length
  if newest then last = '(' .. id else first = '(' .. id end
end
return letters
