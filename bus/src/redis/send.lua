-- Publishes a message on its subject, and to one live member of each queue group whose pattern matches.
-- KEYS[1]: members of queue groups, by the second in which they were last alive
-- ARGV: subject, message, whose turn it is, seconds after which a member counts as gone
-- Returns how many subscriptions it reached.
local function tokens(text)
  local list = {}
  for token in string.gmatch(text, '[^.]+') do list[#list + 1] = token end
  return list
end

local function matches(pattern, subject)
  for i, token in ipairs(pattern) do
    if subject[i] == nil then return false end
    if token == '>' then return true end
    if token ~= '*' and token ~= subject[i] then return false end
  end
  return #pattern == #subject
end

local reached = redis.call('PUBLISH', ARGV[1], ARGV[2])
local since = tonumber(redis.call('TIME')[1]) - tonumber(ARGV[4])
local members = redis.call('ZRANGEBYSCORE', KEYS[1], since, '+inf')
local subject = tokens(ARGV[1])
local groups = {}
for _, member in ipairs(members) do
  local pattern, queue, channel = string.match(member, '^(%S+) (%S+) (%S+)$')
  if pattern and matches(tokens(pattern), subject) then
    local name = pattern .. ' ' .. queue
    groups[name] = groups[name] or {}
    table.insert(groups[name], channel)
  end
end
for _, channels in pairs(groups) do
  table.sort(channels)
  for step = 0, #channels - 1 do
    local got = redis.call('PUBLISH', channels[(tonumber(ARGV[3]) + step) % #channels + 1], ARGV[2])
    if got > 0 then
      reached = reached + got
      break
    end
  end
end
return reached
