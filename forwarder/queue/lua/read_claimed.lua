-- Reads claimed events.
--
-- KEYS  claimed
-- ARGV  most bytes of one event, field, field, ...
-- reply {element, element, ...}  in the order of the fields. If an element is longer than one event may be, its
--         length stands for it. An element that is not claimed is nil.
--
-- Safe to repeat: it only reads.

local most, reply = tonumber(ARGV[1]), {}
for i = 2, #ARGV do
  local length = redis.call('HSTRLEN', KEYS[1], ARGV[i])
  reply[i - 1] = length > most and length or redis.call('HGET', KEYS[1], ARGV[i])
end
return reply
