-- Returns the running workers of a queue.
--
-- KEYS  workers (hash: id -> row, see include/row.lua), about (hash: id -> JSON)
-- ARGV  none
-- reply {id, JSON, id, JSON, ...}  in the order they came, without those that are overdue or have left
--
-- Safe to repeat: it only reads.

--#include row
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local found = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local came, last = row(all[i + 1], now)
  if came and came > 0 and last >= now then found[#found + 1] = {came, all[i]} end
end
table.sort(found, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
local reply = {}
for _, worker in ipairs(found) do
  reply[#reply + 1] = worker[2]
  reply[#reply + 1] = redis.call('HGET', KEYS[2], worker[2]) or ''
end
return reply
