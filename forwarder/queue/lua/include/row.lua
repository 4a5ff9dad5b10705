-- row(text, now): what the others must know of a worker, as msgpack; nothing if the text is anything else. `now` is in
-- microseconds. Each heartbeat reads all rows. So what is only shown to people is kept beside them, in another hash.
--   came    microsecond at which it came; 0 without a place, because it has left or is halted: then only its grant counts
--   last    microsecond at which it is forgotten
--   call    number of its last call
--   limit   POSTs/s of the whole fleet, as it is configured; 0: no limit
--   grant   POSTs/s that it may be using: the larger one while a lower one is not confirmed
--   use     POSTs/s that it uses
--   eager   in how many calls in a row it could have used more
--   ''      workers of the version before this one have their name here, and delete a row without a text
-- Somebody else may have written a row, so each number is checked before anything is computed from it. A comparison
-- with anything but a number is an error, and false if it is not a finite one. No worker is remembered for a day: a row
-- that would last longer would keep its place, and hold the rate, when nobody is there.
local DAY = 24 * 3600 * 1000000

local function checked(text, now)
  local came, last, call, limit, grant, use, eager = cmsgpack.unpack(text)
  if came >= 0 and came < 1e16 and last >= 0 and last < now + DAY and call >= 0 and call < 1e15 and limit >= 0
    and limit < 1e9 and grant >= 0 and grant < 1e9 and use >= 0 and use < 1e9 and eager >= 0 and eager < 1e9 then
    return came, last, call, limit, grant, use, eager
  end
end

local function row(text, now)
  local ok, came, last, call, limit, grant, use, eager = pcall(checked, text, now)
  if ok then return came, last, call, limit, grant, use, eager end
end
