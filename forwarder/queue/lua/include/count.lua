-- count(key): the number in a key; 0 if there is no such key; nil if it holds anything but a count.
-- whole(text): the number that a text is, by the same rules; nil if it is none.
-- A key that somebody else has written must neither bound a loop nor end a script half-way. At most 14 digits: every
-- such number is exact in Lua (2^53 has 16), what is claimed next has at most 15, as field() expects, and nothing that
-- is added to one reaches the limit of INCRBY. No zero in front: Redis does not take 007 for a number, so INCRBY would
-- fail.
local function whole(text)
  local is_whole = text == '0' or string.match(text, '^[1-9]%d*$') and #text <= 14
  return is_whole and tonumber(text) or nil
end

local function count(key) return whole(redis.call('GET', key) or '0') end
