-- Says that a worker is at work on a queue, and tells who else is. Whoever is silent for too long is forgotten.
--
-- KEYS  workers (hash: id -> '<microseconds it came> <microseconds it is forgotten> <name>'), shards
-- ARGV  id, milliseconds it is remembered, number of shards it was told, when it came ('' the first time), name
-- reply {'attending', microseconds it came, id, name, id, name, ...}  all workers, in the order they came
--       {'shards', N}  the queue has N lists, not as many as it was told: it must not work
--
-- Safe to repeat: it only moves the moment at which the worker is forgotten.
-- Works on a full Redis: the first write is a PEXPIRE.

local workers, shards = unpack(KEYS)
local agreed = redis.call('GET', shards)
if agreed and agreed ~= ARGV[3] then return {'shards', agreed} end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local came = ARGV[4]
redis.call('PEXPIRE', workers, ARGV[2])
if not agreed then redis.call('SET', shards, ARGV[3]) end

local found = {}
local all = redis.call('HGETALL', workers)
for i = 1, #all, 2 do
  local since, last, name = string.match(all[i + 1], '^(%d+) (%d+) (.*)$')
  if all[i] == ARGV[1] then
    if came == '' then came = since end
  elseif not last or tonumber(last) < now then
    redis.call('HDEL', workers, all[i])
  else
    found[#found + 1] = {tonumber(since), all[i], name}
  end
end
if not came or came == '' then came = string.format('%.0f', now) end
found[#found + 1] = {tonumber(came), ARGV[1], ARGV[5]}
redis.call('HSET', workers, ARGV[1], came .. ' ' .. string.format('%.0f', now + ARGV[2] * 1000) .. ' ' .. ARGV[5])
redis.call('PEXPIRE', workers, ARGV[2])

table.sort(found, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
local reply = {'attending', came}
for _, worker in ipairs(found) do
  reply[#reply + 1] = worker[2]
  reply[#reply + 1] = worker[3]
end
return reply
