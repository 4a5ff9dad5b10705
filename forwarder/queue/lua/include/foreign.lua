-- foreign(): the reply that names the first of a list's keys that holds something else; nil if there is none.
-- KEYS  list, claimed, lease, sequence, settlement, accepted, dead_lettered, replayed, deleted, dead
local function foreign()
  local kinds = {'list', 'hash', 'string', 'string', 'string', 'string', 'string', 'string', 'string', 'stream'}
  for i, kind in ipairs(kinds) do
    local found = redis.call('TYPE', KEYS[i]).ok
    if found ~= 'none' and found ~= kind then return {'wrongtype', KEYS[i], 'a ' .. found, 'a ' .. kind} end
  end
  for i = 4, 9 do
    if not count(KEYS[i]) then return {'wrongtype', KEYS[i], 'other text', 'a number of at most 14 digits'} end
  end
end
