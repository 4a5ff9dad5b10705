-- Acquires the lease of a list if it is free, and returns the state of the list.
--
-- KEYS  list, claimed, lease, sequence, settlement, accepted, dead_lettered, replayed, deleted, dead
-- ARGV  token, milliseconds that the lease lasts, prefix of tokens whose lease may be taken ('' for none)
-- reply {'acquired', sequence, settlement, number of claimed events}
--       {'busy', milliseconds until the present lease ends}
--       {'wrongtype', key, type found, type expected}
--
-- Safe to repeat: a second call with the same token finds its own lease and extends it.
-- Works on a full Redis: the first write is a PEXPIRE, which Redis never refuses.

local kinds = {'list', 'hash', 'string', 'string', 'string', 'string', 'string', 'string', 'string', 'stream'}
for i, kind in ipairs(kinds) do
  local found = redis.call('TYPE', KEYS[i]).ok
  if found ~= 'none' and found ~= kind then return {'wrongtype', KEYS[i], found, kind} end
end
for i = 4, 9 do
  local value = redis.call('GET', KEYS[i])
  if value and not string.match(value, '^%d+$') then return {'wrongtype', KEYS[i], 'other text', 'a number'} end
end

local holder = redis.call('GET', KEYS[3])
local weak = ARGV[3] ~= '' and holder and string.sub(holder, 1, #ARGV[3]) == ARGV[3]
if holder and holder ~= ARGV[1] and not weak then return {'busy', redis.call('PTTL', KEYS[3])} end

redis.call('PEXPIRE', KEYS[3], ARGV[2])
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2])
return {
  'acquired',
  tonumber(redis.call('GET', KEYS[4]) or 0),
  tonumber(redis.call('GET', KEYS[5]) or 0),
  redis.call('HLEN', KEYS[2]),
}
