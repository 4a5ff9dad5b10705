-- Shares the counts of a queue's lists with the other processes (see counts.lua).
--
-- KEYS  counts (hash: at, lists, until)
-- ARGV  microsecond at which they were made, JSON
-- reply {'shared', microseconds that the counts are old}
--       {'late', the same}  a later count is there
--
-- Safe to repeat: it writes the same again, unless a later count is there.
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
return {'shared', age}
