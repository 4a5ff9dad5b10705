-- Ends a halt.
--
-- KEYS  halt
-- ARGV  the halt to end: its JSON, or '' for the one in force
-- reply the halt that was ended, or nil if there was no such halt
--
-- Safe to repeat: the second call finds nothing to end.

local present = redis.call('GET', KEYS[1])
if not present or (ARGV[1] ~= '' and ARGV[1] ~= present) then return false end
redis.call('DEL', KEYS[1])
return present
