-- Writes why the service halts, for every worker to see.
--
-- KEYS  halt
-- ARGV  the halt as JSON, its reason, its fingerprint
-- reply the halt in force: the given one, or an earlier one with the same reason and fingerprint
--
-- Safe to repeat: a halt with the same reason and fingerprint stays as it is, with its time.
-- Works on a full Redis: the first write is a PEXPIRE. The SET removes the time limit again.

local present = redis.call('GET', KEYS[1])
if present then
  local readable, halt = pcall(cjson.decode, present)
  if readable and type(halt) == 'table' and halt.reason == ARGV[2] and halt.fingerprint == ARGV[3] then
    return present
  end
end
redis.call('PEXPIRE', KEYS[1], 60000)
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
