-- Adds a worker's report to the fleet's latest decisions, and sums up the newest of them.
--
-- KEYS  decisions (list, newest last)
-- ARGV  the report: '<worker> <number> <decisions> <refusals> <times> <users> <reason>', or '' for none.
--         <users> is '<digest>:<refusals>,...', or '-'; <reason> came <times> times
--       decisions that the window holds, refusals of one user that count in it, reports to keep, milliseconds to keep
-- reply {decisions, refusals, users, reason}  of the newest reports that together hold a window, or of all
--
-- No user decides alone: what one user was refused beyond its part counts as if it had never happened.
--
-- Safe to repeat: a report is pushed only if it is not in the list, and its number makes it distinct. Entries that
-- somebody else has written are skipped. Works on a full Redis: the first write is a PEXPIRE.

local decisions = KEYS[1]
local window, most_of_one = tonumber(ARGV[2]), tonumber(ARGV[3])

redis.call('PEXPIRE', decisions, ARGV[5])
if ARGV[1] ~= '' and not redis.call('LPOS', decisions, ARGV[1], 'RANK', -1) then
  redis.call('RPUSH', decisions, ARGV[1])
  redis.call('LTRIM', decisions, -ARGV[4], -1)
  redis.call('PEXPIRE', decisions, ARGV[5])
end

local seen, refused, users, user_count = 0, 0, {}, 0
local reasons, reason = {}, ''

local function add(entry)
  local made, refusals, times, by, why = string.match(entry, '^%S+ %d+ (%d+) (%d+) (%d+) (%S+) (.*)$')
  if not made or #made > 15 or #refusals > 15 or #times > 15 then return end
  seen, refused = seen + made, refused + refusals
  for user, count in string.gmatch(by, '(%x+):(%d+)') do
    count = math.min(#count <= 15 and tonumber(count) or 0, tonumber(refusals))
    if not users[user] then
      users[user] = 0
      user_count = user_count + 1
    end
    local beyond = math.max(0, users[user] + count - most_of_one)
    users[user] = users[user] + count - beyond
    seen, refused = seen - beyond, refused - beyond
  end
  if tonumber(times) > 0 then
    reasons[why] = (reasons[why] or 0) + times
    if reason == '' or reasons[why] > reasons[reason] then reason = why end
  end
end

local older = redis.call('LLEN', decisions)
while seen < window and older > 0 do
  local page = redis.call('LRANGE', decisions, math.max(0, older - 50), older - 1)
  older = older - #page
  for i = #page, 1, -1 do
    if seen < window then add(page[i]) end
  end
end
return {seen, refused, user_count, reason}
