-- Pauses all workers, until a person resumes or the time is up. A later pause replaces an earlier one.
--
-- KEYS  pause
-- ARGV  the pause as JSON, milliseconds that it lasts; 0: until a person resumes
-- reply 1
--
-- Safe to repeat: a repeated call begins the time anew, by the moment that the reply was late.
-- Works on a full Redis: the first write is a PEXPIRE. The SET removes the time limit again, or sets the given one.

redis.call('PEXPIRE', KEYS[1], 60000)
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
