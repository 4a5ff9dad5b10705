-- Looks at the oldest waiting elements and leaves them in the list.
--
-- KEYS  list
-- ARGV  most elements, most bytes of one event, 'left' or 'right' (where the oldest element is)
-- reply {element, element, ...}  oldest first. If an element is longer than one event may be, its length stands for it.
--
-- Safe to repeat: it only reads. It reads one element at a time: some other program's may be as long as Redis allows.

local most, longest, left = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == 'left'
local reply = {}
for i = 1, math.min(most, redis.call('LLEN', KEYS[1])) do
  local at = left and i - 1 or -i
  local element = redis.call('LRANGE', KEYS[1], at, at)[1]
  reply[i] = #element > longest and #element or element
end
return reply
