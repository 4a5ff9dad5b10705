-- Returns the running workers of a queue.
--
-- KEYS  workers (hash: id -> row, see include/row.lua), about (hash: id -> JSON)
-- ARGV  none
-- reply {id, JSON, '1' or '0', ...}  whether it has a place. First those that have one, in the order they came; then
--       those without one that describe themselves. Those that are overdue or have left are not there. If the key of
--       the descriptions is missing or holds another type, nil is there instead of each JSON.
--
-- Safe to repeat: it only reads.

--#include row
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- Who runs is in the rows, whatever the other key holds.
local described = redis.call('TYPE', KEYS[2]).ok == 'hash'
local found = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local came, last = row(all[i + 1], now)
  local about = came and last >= now and described and redis.call('HGET', KEYS[2], all[i])
  if about or (came and last >= now and came > 0) then
    found[#found + 1] = {came > 0 and came or math.huge, all[i], about or described and '', came > 0 and '1' or '0'}
  end
end
table.sort(found, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
local reply = {}
for _, worker in ipairs(found) do
  for i = 2, 4 do reply[#reply + 1] = worker[i] end
end
return reply
