-- Returns the latest counts of a queue's lists, or asks the caller to count them and to share what it found.
--
-- KEYS  counts (hash: at -> microsecond at which they were made, lists -> JSON of the counts,
--               until -> microsecond until which a process may be counting)
-- ARGV  microseconds that the counts may be old, the same while another process is counting,
--       microseconds that the caller has for counting
-- reply {'counted', microsecond now, microseconds that the counts are old, JSON}
--       {'count', microsecond now}
--       {'alone', microsecond now}  Redis refuses all writes, or the key holds another type: the caller counts for itself
--
-- So one process counts, and any number of others read. If it dies, the next one that asks later counts.
--
-- Safe to repeat: if a reply 'count' is lost, the others read older counts for a moment longer.
-- Works on a full Redis: the first write is a PEXPIRE.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local may_be, may_be_meanwhile, turn = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then return {'alone', string.format('%.0f', now)} end

-- Somebody else may have written here, and a clock may have been set back: what is of the future does not count.
local at = tonumber(redis.call('HGET', KEYS[1], 'at') or '')
local lists = redis.call('HGET', KEYS[1], 'lists')
local counting = tonumber(redis.call('HGET', KEYS[1], 'until') or '')
local is_counting = counting and counting > now and counting <= now + turn
local age = lists and at and at <= now and now - at
if age and (age <= may_be or (is_counting and age <= may_be_meanwhile)) then
  return {'counted', string.format('%.0f', now), string.format('%.0f', age), lists}
end

-- If its disk is full, or too few replicas follow it, Redis refuses all writes. Just then somebody wants to know what
-- waits.
local written = redis.pcall('PEXPIRE', KEYS[1], 60000)
if type(written) == 'table' then return {'alone', string.format('%.0f', now)} end
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + turn))
redis.call('PEXPIRE', KEYS[1], 60000)
return {'count', string.format('%.0f', now)}
