-- Reports that a worker is running, and returns all running workers. A silent worker is forgotten after a while.
--
-- KEYS  workers (hash: id -> '<microsecond it came> <microsecond it is forgotten> <name>'), shards
-- ARGV  id, milliseconds until it is forgotten, number of lists it expects, microsecond it came ('' the first time),
--       name
-- reply {'attending', microsecond it came, id, name, id, name, ...}  all running workers, in the order they came
--       {'shards', N}  the queue has N lists, which is not the expected number: the worker must not run
--
-- Safe to repeat: it only postpones the moment at which the worker is forgotten.
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
