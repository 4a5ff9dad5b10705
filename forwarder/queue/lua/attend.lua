-- Reports that a worker is running, and returns its place and its part of the fleet's rate. A silent worker is
-- forgotten after a while, and its grant is free then.
--
-- KEYS  workers (hash: id -> row, see include/row.lua), shards, about (hash: id -> JSON; no script reads that)
-- ARGV  id, number of this call (each call of a worker has a higher one), milliseconds until it is forgotten at least,
--       number of lists it expects, microsecond it came (0 the first time), JSON for those who show it,
--       POSTs/s of the whole fleet (0: no limit), largest grant that it has used within the last second,
--       POSTs/s that it uses, in how many calls in a row it could have used more
-- reply {'attending', microsecond it came, rank, workers, milliseconds until it is forgotten, grant}
--       {'shards', N}  the queue has N lists, which is not the expected number: the worker must not run
--
-- The rate. The grants in the rows never add up to more than the limit. A worker gets what it is due, but not more than
-- the limit minus the grants of all others. A row holds the larger of the old grant and the new one until a later call
-- reports that the worker has used no more than the new one. So a grant is lowered before another one is raised, also
-- if a reply is lost. If the workers have different limits, as during a deploy, the smallest one counts.
--
-- What a worker is due. It asks for what it uses and a small reserve, with which an idle worker starts at once; and if
-- it could have used more, for a step more with each call. If all of that is more than the limit, a level is found: a
-- worker that asks for less gets what it asks for, all others get the level. If it is less, what is left goes to those
-- that could use more, or to everybody if nobody could.
-- Example: 40 POSTs/s, four workers. One has a backlog, one uses 5, two use nothing. The reserve of each is 0.2, so
-- they are due 34.4, 5.2, 0.2 and 0.2.
--
-- Safe to repeat: a call with a number that is not higher than that in the row changes nothing. It may be an old one
-- that was held up on its way. What it would lower may have been raised again since.
-- Works on a full Redis: the first write is a PEXPIRE.

--#include row
-- The reserves of all workers together are this part of the limit. It is what a fleet with one busy worker cannot use.
local RESERVE = 0.02
-- A worker that could use more asks for this part of the mean grant more, then for twice as much more, and so on. With
-- two workers at 40 POSTs/s: 1, 2, 3, ... POSTs/s more. The first call asks for nothing more, because a second in which
-- every POST had to wait occurs by chance.
local STEP = 0.05

local workers, shards, abouts = unpack(KEYS)
local id, expected, about = ARGV[1], ARGV[4], ARGV[6]
local call, least, came = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
local limit, held, use, eager = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local agreed = redis.call('GET', shards)
if agreed and agreed ~= expected then return {'shards', agreed} end

local about_kind = redis.call('TYPE', abouts).ok
local shown = about_kind == 'hash' or about_kind == 'none' -- anything else is not ours, and nothing depends on it

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('PEXPIRE', workers, least)
if not agreed then redis.call('SET', shards, expected) end

local own_came, own_last, own_call, _, own_grant = row(redis.call('HGET', workers, id) or '', now)
local repeated = own_call and call <= own_call
if came == 0 then came = own_came or 0 end
if came == 0 then came = now end

-- A fleet may have a thousand workers, and a row is read a thousand times by each of them: so there is no table for it.
-- Of the workers that share the limit, this one first: what they use, how eager they are, and what they hold.
local uses, eagers, grants = {use}, {eager}, {}
local n, rank, count, taken, smallest, latest = 1, 0, 1, 0, limit, 0
local all = redis.call('HGETALL', workers)
for i = 1, #all, 2 do
  local other = all[i]
  if other ~= id then
    local its_came, its_last, _, its_limit, its_grant, its_use, its_eager = row(all[i + 1], now)
    if not its_came or its_last < now then
      redis.call('HDEL', workers, other)
      if shown then redis.call('HDEL', abouts, other) end
    else
      taken = taken + its_grant
      if its_last > latest then latest = its_last end
      if its_came > 0 then
        count = count + 1
        if its_came < came or (its_came == came and other < id) then rank = rank + 1 end
        if its_limit > 0 then
          n = n + 1
          uses[n], eagers[n], grants[n] = its_use, its_eager, its_grant
          if its_limit < smallest then smallest = its_limit end
        end
      end
    end
  end
end
-- No worker uses more than its row holds, and one that was forgotten has stopped by its own clock. If a call reports
-- more, it is an old one, or Redis has lost the row.
local is_known = own_last and own_last >= now
held = math.min(held, is_known and own_grant or math.max(0, smallest - taken))
grants[1] = held

-- A worker writes its row every max(1, workers / 100) seconds; three of these may be late.
local milliseconds = math.max(least, 30 * count)

-- How many POSTs/s each of the workers that share the limit is due.
local function dues()
  local asks, sum, eager_ones = {}, 0, 0
  for i = 1, n do
    asks[i] = uses[i] + smallest / n * (RESERVE + STEP * math.max(0, eagers[i] - 1))
    sum = sum + asks[i]
    if eagers[i] > 0 then eager_ones = eager_ones + 1 end
  end
  if sum <= smallest then
    local left = smallest - sum
    for i = 1, n do
      if eager_ones == 0 then asks[i] = asks[i] + left / n end
      if eagers[i] > 0 then asks[i] = asks[i] + left / eager_ones end
    end
    return asks
  end
  local level, below = 0, -1
  while true do
    -- Each round raises the level by what those below it leave, until nobody else is below it.
    local leave, number = 0, 0
    for i = 1, n do
      if asks[i] <= level then leave, number = leave + asks[i], number + 1 end
    end
    if number == below then break end
    level, below = (smallest - leave) / (n - number), number
  end
  for i = 1, n do asks[i] = math.min(asks[i], level) end
  return asks
end

-- The new grant: what is due, as far as it is free. If several workers wait for more, each gets its part of it.
local function granted()
  local due, missing, free = dues(), 0, math.max(0, smallest - taken)
  if due[1] <= held then return math.min(due[1], free) end
  for i = 1, n do missing = missing + math.max(0, due[i] - grants[i]) end
  local part = math.min(1, math.max(0, free - held) / missing)
  return math.min(held + part * (due[1] - held), free)
end

local grant = 0
if repeated then
  grant = math.min(held, own_grant)
else
  if limit > 0 then grant = math.floor(1000 * granted()) / 1000 end
  local last = now + milliseconds * 1000
  if last > latest then latest = last end
  redis.call('HSET', workers, id, cmsgpack.pack(came, last, call, limit, math.max(held, grant), use, eager, ''))
  if shown then redis.call('HSET', abouts, id, about) end
end
local kept = math.max(least, math.ceil((latest - now) / 1000))
redis.call('PEXPIRE', workers, kept)
if shown then redis.call('PEXPIRE', abouts, kept) end
return {'attending', string.format('%.0f', came), rank, count, milliseconds, tostring(grant)}
