-- Returns the latest dead letters: the reasons of many, and all fields of a few, with long elements cut.
--
-- KEYS  dead
-- ARGV  most letters with all fields, most letters, bytes of elements after which it stops, most bytes of an element
-- reply {reasons, letters}; a letter is {ID, length of its element, its fields}
--
-- Safe to repeat: it only reads. It reads one letter at a time: an element that was too long to be claimed may be
-- as long as Redis allows, and neither Redis nor the caller should hold more than one of those.

local full, most, bytes, cut = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local reasons, letters, stop = {}, {}, '+'
while #reasons < most and bytes > 0 do
  local found = redis.call('XREVRANGE', KEYS[1], stop, '-', 'COUNT', 1)[1]
  if not found then break end
  local id, fields = found[1], found[2]
  local reason, length = '', 0
  for i = 1, #fields, 2 do
    if fields[i] == 'reason' then reason = fields[i + 1] end
    if fields[i] == 'element' then length = #fields[i + 1] end
    fields[i + 1] = string.sub(fields[i + 1], 1, cut)
  end
  reasons[#reasons + 1] = reason
  if #letters < full then letters[#letters + 1] = {id, length, fields} end
  bytes = bytes - length
  stop = '(' .. id
end
return {reasons, letters}
