-- Shares the counts of a queue's lists with the other processes (see counts.lua), and keeps what they add up to.
--
-- KEYS  counts (hash: at, lists, until), past (list, newest last: JSON arrays that begin with the second of the counts)
-- ARGV  microsecond at which they were made, JSON, the entry for the past, seconds between two entries,
--       entries to keep, milliseconds to keep them
-- reply {'shared', microseconds that the counts are old}
--       {'late', the same}  a later count is there
--
-- However many processes count, the past gets one entry in that time. Whatever is in its key, the counts are shared.
--
-- Safe to repeat: it writes the same again, unless a later count is there. The past has an entry of that time already.
-- Works on a full Redis: the first write is a PEXPIRE.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local age = string.format('%.0f', math.max(0, now - ARGV[1]))
local at = tonumber(redis.call('HGET', KEYS[1], 'at') or '')
if at and at <= now and at > tonumber(ARGV[1]) then return {'late', age} end

redis.call('PEXPIRE', KEYS[1], 60000)
redis.call('HSET', KEYS[1], 'at', ARGV[1], 'lists', ARGV[2])
redis.call('HDEL', KEYS[1], 'until')
redis.call('PEXPIRE', KEYS[1], 60000)

local function remember()
  local newest = redis.call('LRANGE', KEYS[2], -1, -1)[1]
  local second = newest and tonumber(string.match(newest, '^%[([%d.]+),') or '')
  -- Somebody else may have written it, and a clock may have been set back: what is of the future does not count.
  if second and second <= now / 1000000 and second > ARGV[1] / 1000000 - ARGV[4] then return end
  redis.call('RPUSH', KEYS[2], ARGV[3])
  redis.call('LTRIM', KEYS[2], -ARGV[5], -1)
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
end
pcall(remember)
return {'shared', age}
