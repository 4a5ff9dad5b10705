-- Returns the running workers of a queue.
--
-- KEYS  workers (as attend.lua writes it)
-- ARGV  none
-- reply {id, name, id, name, ...}  in the order they came, without those that are overdue
--
-- Safe to repeat: it only reads.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local found = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local since, last, name = string.match(all[i + 1], '^(%d+) (%d+) (.*)$')
  if last and tonumber(last) >= now then found[#found + 1] = {tonumber(since), all[i], name} end
end
table.sort(found, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
local reply = {}
for _, worker in ipairs(found) do
  reply[#reply + 1] = worker[2]
  reply[#reply + 1] = worker[3]
end
return reply
