-- Ends a halt.
--
-- KEYS  halt, recognized, address, decisions, decoded
-- ARGV  the halt to end: its JSON, or '' for the one in force; '1' if a person ends it, after having looked;
--       for how many seconds to remember the address that this person vouches for
-- reply the halt that was ended, or nil if there was no such halt
--
-- If a person ends the halt that a list holds something else than events, that is noted under `recognized`: whichever
-- worker comes next then claims from the list. If a person ends the halt that an address is not the API's, its
-- fingerprint is noted under `address`, as if it had answered 202. And what the fleet had decided no longer counts.
--
-- Safe to repeat: the second call finds nothing to end. Works on a full Redis: the first write is a PEXPIRE.

local halt, recognized, address, decisions, decoded = unpack(KEYS)
local present = redis.call('GET', halt)
if not present or (ARGV[1] ~= '' and ARGV[1] ~= present) then return false end
redis.call('PEXPIRE', halt, 60000)
local readable, what = pcall(cjson.decode, present)
if ARGV[2] == '1' and readable and type(what) == 'table' and what.reason == 'misdirected' then
  if what.fingerprint == '' then
    redis.call('SET', recognized, '1')
  elseif type(what.fingerprint) == 'string' then
    redis.call('SET', address, what.fingerprint, 'EX', ARGV[3])
  end
end
if ARGV[2] == '1' then redis.call('DEL', decisions, decoded) end
redis.call('DEL', halt)
return present
