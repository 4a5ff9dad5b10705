-- field(name): the sequence number and the stamp (as text) of a claimed event; nil if no claim has written this field.
-- A number has at most 15 digits, a stamp 16: microseconds since 1970, of the years 2001 to 2286. Neither begins with 0.
local function field(name)
  local number, stamp = string.match(name, '^([1-9]%d*)-([1-9]%d*)$')
  if number and #number <= 15 and #stamp == 16 then return tonumber(number), stamp end
end
