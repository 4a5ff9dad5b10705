-- Pushes events of one push onto a list, each once, however often the command is sent.
--
-- KEYS  list, marker: {LIST}:pushed:KEY, in which LIST is the list's name and KEY the idempotency key of the push
-- ARGV  RPUSH or LPUSH, digest of all events of the push, offset: how many events of the push for this list earlier
--       commands carried, how many events may wait in the list (0: any number), milliseconds that the marker lives,
--       element...
-- reply {how many events of the push are in the list or were, what else}, the latter one of
--         ok     all that the command carries, and all before them
--         full   fewer: no more may wait in the list
--         other  nothing was pushed: the key belongs to a push of other events
--         gap    nothing was pushed: the marker knows of fewer events than the offset says, so Redis has lost some of it
--
-- The marker is a string that holds one whole number, digest * 10^9 + count. The digest is a number from 1 to
-- 9223372034: 1 + (the first 8 bytes of SHA-256, big-endian) modulo 9223372034. `forwarder` computes the SHA-256 of the
-- events as the caller gave them, each followed by a newline.
--
-- Safe to repeat while the marker lives: a command goes on from the marker's count. A repeated command that finds all
-- of its events there changes nothing, so a full Redis answers it too.
--
-- A number, because a producer may not have SET, DEL or EXPIRE: with `~events +set` it could overwrite the list. SETNX,
-- GETEX and INCRBY do nothing to a list. Each of them runs before the push, so a missing right, a full Redis or a
-- marker of another type ends the script while nothing is pushed. The number has more digits than a Lua number, so it
-- is taken apart as text.

local verb, digest = ARGV[1], ARGV[2]
local offset, most, milliseconds = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local carried = #ARGV - 5

local function whole(number, least, largest)
  return number and number >= least and number <= largest and number % 1 == 0
end

if not (verb == 'RPUSH' or verb == 'LPUSH') or not string.match(digest or '', '^[1-9]%d*$')
  or not whole(tonumber(digest), 1, 9223372034) or not whole(offset, 0, 999999999) or not whole(most, 0, 1e15)
  or not whole(milliseconds, 1, 1e13) or carried < 1 or carried > 7000 or offset + carried > 999999999 then
  return redis.error_reply('ERR push_once: wrong arguments; see the header of push_once.lua')
end

-- What pushes nothing changes nothing, but counts as a write: a replica refuses it. It may know what its new master
-- does not, or not know yet what its master knows.
local function pushed_nothing(known, what)
  redis.call('GETEX', KEYS[2])
  return {known, what}
end

local nothing = digest .. '000000000'
local whose, count = string.match(redis.call('GET', KEYS[2]) or nothing, '^(%d+)(%d%d%d%d%d%d%d%d%d)$')
if whose ~= digest then return pushed_nothing(0, 'other') end
count = tonumber(count)
if count < offset then return pushed_nothing(count, 'gap') end
local missing = offset + carried - count
if missing <= 0 then return pushed_nothing(count, 'ok') end
local pushed = missing
if most > 0 then pushed = math.min(missing, most - redis.call('LLEN', KEYS[1])) end
if pushed <= 0 then return pushed_nothing(count, 'full') end
redis.call('SETNX', KEYS[2], nothing)
redis.call('GETEX', KEYS[2], 'PX', ARGV[5])
redis.call('INCRBY', KEYS[2], 0)
redis.call(verb, KEYS[1], unpack(ARGV, #ARGV - missing + 1, #ARGV - missing + pushed))
redis.call('INCRBY', KEYS[2], pushed)
return {count + pushed, pushed == missing and 'ok' or 'full'}
