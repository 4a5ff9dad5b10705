-- Acquires the lease of a list if it is free, and returns the state of the list.
--
-- KEYS  list, claimed, lease, sequence, settlement, accepted, dead_lettered, replayed, deleted, dead
-- ARGV  token, milliseconds that the lease lasts, prefix of tokens whose lease may be taken ('' for none),
--       token, token, ... of earlier calls of the same caller that had no answer
-- reply {'acquired', sequence, settlement, number of claimed events}
--       {'busy', milliseconds until the present lease ends}
--       {'wrongtype', key, what was found, what is expected}
--
-- Safe to repeat: a second call with the same token finds its own lease and extends it. But a copy of a call that is
-- executed late, when the lease is free, acquires it again. So an owner of events asks with another token each time,
-- and may take the lease from those that it has asked with before.
-- Works on a full Redis: the first write is a PEXPIRE, which Redis never refuses.
--#include count
--#include foreign

local wrong = foreign()
if wrong then return wrong end

local holder = redis.call('GET', KEYS[3])
-- Every lease ends. One that does not was written, or restored, by somebody else: nobody drains the list.
if redis.call('PTTL', KEYS[3]) == -1 then holder = false end
local mine = holder == ARGV[1]
for i = 4, #ARGV do mine = mine or holder == ARGV[i] end
local weak = ARGV[3] ~= '' and holder and string.sub(holder, 1, #ARGV[3]) == ARGV[3]
if holder and not mine and not weak then return {'busy', redis.call('PTTL', KEYS[3])} end

redis.call('PEXPIRE', KEYS[3], ARGV[2])
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2])
return {'acquired', count(KEYS[4]), count(KEYS[5]), redis.call('HLEN', KEYS[2])}
