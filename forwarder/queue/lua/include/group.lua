-- The groups in which count_letters.lua counts dead letters. `groups` is a hash:
--   cursor                     ID of the last letter that is counted
--   capped                     set when there were too many names; from then on no name gets a new group
--   <reason> <status> =<name>  a group: how many letters, of how many OTHERS is true, ID of its first and of its last
--                              letter, with spaces between. The name is cut to 200 bytes.
--   <reason> <status> -        the same of letters without a name
--   <reason> <status> *        the same of all names that have no group of their own
-- The hash is a view of the stream: without it, nothing is lost.
local OTHERS = '; events of this user with other names were accepted'
local LONGEST_NAME = 200
local LONGEST_EVENT = 1048576

-- The name of an event; nil if there is none. cjson refuses half a surrogate pair, which JSON may have.
local function name_in(element)
  if #element > LONGEST_EVENT then return nil end
  local ok, event = pcall(cjson.decode, element)
  if not ok then ok, event = pcall(cjson.decode, (string.gsub(element, '\\u[dD][89a-fA-F]%x%x', '\\ufffd'))) end
  local name = ok and type(event) == 'table' and event.name
  if type(name) ~= 'string' or name == '' then return nil end
  if #name <= LONGEST_NAME then return name end
  local last = LONGEST_NAME - 3
  -- Not within a character: the bytes after its first one are 128 to 191.
  while last > LONGEST_NAME - 7 and string.byte(name, last + 1) >= 128 and string.byte(name, last + 1) < 192 do
    last = last - 1
  end
  return string.sub(name, 1, last) .. '…'
end

local function word(text) return string.match(text, '^[a-z0-9_]*$') and #text <= 20 and text or 'other' end

-- group_of(fields): the name of a letter's group without the event's name, that name as it is in a group's, whether
-- OTHERS is true of the letter, and how many bytes its element has. An invalid element is not decoded.
local function group_of(fields)
  local letter = {reason = '', status = '', detail = '', element = ''}
  for i = 1, #fields, 2 do letter[fields[i]] = fields[i + 1] end
  local name = letter.reason ~= 'invalid' and name_in(letter.element)
  local others = string.sub(letter.detail, -#OTHERS) == OTHERS
  return word(letter.reason) .. ' ' .. word(letter.status) .. ' ', name and '=' .. name or '-', others, #letter.element
end

-- row(text): what is in a group: the number of letters, that of OTHERS, the first ID, the last ID; nil if it is not one.
local function row(text)
  local count, others, first, last = string.match(text or '', '^(%d+) (%d+) (%d+%-%d+) (%d+%-%d+)$')
  if count and #count <= 14 and #others <= 14 then return tonumber(count), tonumber(others), first, last end
end

local function row_text(count, others, first, last)
  return string.format('%.0f %.0f %s %s', count, others, first, last)
end

-- before(a, b): whether a number without zeros in front is smaller. It may have 20 digits, too many for Lua.
local function before(a, b) return #a < #b or #a == #b and a < b end

local function is_counted(id, cursor)
  local time, count = string.match(id, '^(%d+)-(%d+)$')
  local last_time, last_count = string.match(cursor or '', '^(%d+)-(%d+)$')
  if not last_time then return false end
  return before(time, last_time) or time == last_time and not before(last_count, count)
end

local function take_out(groups, id, fields)
  if redis.call('TYPE', groups).ok ~= 'hash' or not is_counted(id, redis.call('HGET', groups, 'cursor')) then return end
  local kind, name, others = group_of(fields)
  local group = redis.call('HEXISTS', groups, kind .. name) == 1 and kind .. name or kind .. '*'
  local count, of_others, first, last = row(redis.call('HGET', groups, group))
  if not count then
    redis.call('DEL', groups)
  elseif count <= 1 then
    redis.call('HDEL', groups, group)
  else
    redis.call('HSET', groups, group, row_text(count - 1, math.max(0, of_others - (others and 1 or 0)), first, last))
  end
end

-- uncount(groups, id, fields): takes a letter that has just been deleted out of its group, if it was counted. Never
-- ends a script half-way: what goes wrong here is noticed when letters are counted.
local function uncount(groups, id, fields) pcall(take_out, groups, id, fields) end
