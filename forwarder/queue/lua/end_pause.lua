-- Ends a pause.
--
-- KEYS  pause
-- reply the pause that was ended, or nil if there was none
--
-- Safe to repeat: the second call finds nothing to end. Works on a full Redis: it needs no memory.

local present = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
return present
