-- Counts the next dead letters of a list by reason, status and event name, and returns the groups when all are counted.
--
-- KEYS  dead, dead_groups (see group.lua)
-- ARGV  most letters, bytes of elements after which it stops, how many groups there may be before names share one,
--       milliseconds for which the groups are kept after somebody last looked at them
-- reply {'counted', group, row, group, row, ...}
--       {'behind', how many letters were counted}  there are more: run it again
--       {'unknown'}  Redis refuses writes, and not all letters are counted
--
-- settle.lua knows nothing of this. The scripts that delete a letter take it out of its group. Anything else that has
-- deleted letters (XTRIM, a worker of the version before) is noticed at the end, as the groups then hold more letters
-- than the stream does. They are then counted anew.
--
-- Safe to repeat: each letter is counted in the write that moves the cursor to it. Works on a full Redis: the first
-- write is a PEXPIRE. It reads one letter at a time, because one may be as long as Redis allows.
--#include group

local dead, groups = unpack(KEYS)
local most, bytes, most_groups = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local writable = type(redis.pcall('PEXPIRE', groups, ARGV[4])) ~= 'table'
local function anew()
  if not writable then return {'unknown'} end
  redis.call('DEL', groups)
  return {'behind', 0}
end

local kind = redis.call('TYPE', groups).ok
if kind ~= 'hash' and kind ~= 'none' then return anew() end
local cursor = redis.call('HGET', groups, 'cursor')
if cursor and not string.match(cursor, '^%d+%-%d+$') then return anew() end

local function add(id, fields)
  local of, name, others, size = group_of(fields)
  local group = of .. name
  local text = redis.call('HGET', groups, group)
  if not text and (redis.call('HLEN', groups) > most_groups or redis.call('HEXISTS', groups, 'capped') == 1) then
    redis.call('HSET', groups, 'capped', 1)
    group = of .. '*'
    text = redis.call('HGET', groups, group)
  end
  local count, of_others, first = row(text)
  if text and not count then return nil end
  local new = row_text((count or 0) + 1, (of_others or 0) + (others and 1 or 0), first or id, id)
  redis.call('HSET', groups, group, new, 'cursor', id)
  return size
end

local counted = 0
while true do
  local found = redis.call('XRANGE', dead, cursor and '(' .. cursor or '-', '+', 'COUNT', 1)[1]
  if not found then break end
  if not writable then return {'unknown'} end
  if counted >= most or bytes <= 0 then
    redis.call('PEXPIRE', groups, ARGV[4])
    return {'behind', counted}
  end
  local size = add(found[1], found[2])
  if not size then return anew() end
  cursor, counted, bytes = found[1], counted + 1, bytes - size
end

local reply, sum, all = {'counted'}, 0, redis.call('HGETALL', groups)
for i = 1, #all, 2 do
  if all[i] ~= 'cursor' and all[i] ~= 'capped' then
    local count = row(all[i + 1])
    if not count then return anew() end
    sum = sum + count
    reply[#reply + 1], reply[#reply + 2] = all[i], all[i + 1]
  end
end
if sum ~= redis.call('XLEN', dead) then return anew() end
if counted > 0 then redis.call('PEXPIRE', groups, ARGV[4]) end
return reply
