/**
 * Redis undoes nothing when a command in the middle of a script fails. So scripts that write more than one key
 * first ask what could fail: `refusalOf` commands that this Redis user may not run (Redis 7 tells), and keys that
 * somebody else has put to another use.
 */
const REFUSALS = `
local function refusalOf(commands, types)
  for _, command in ipairs(redis.acl_check_cmd and commands or {}) do
    if not redis.acl_check_cmd(unpack(command)) then
      return redis.error_reply('NOPERM this Redis user may not run ' .. command[1])
    end
  end
  for _, pair in ipairs(types) do
    local found = redis.call('TYPE', pair[1]).ok
    if found ~= 'none' and found ~= pair[2] then
      return redis.error_reply('WRONGTYPE ' .. pair[1] .. ' is no ' .. pair[2] .. ' but a ' .. found)
    end
  end
end
`

/**
 * The id of a new entry: by the clock of this Redis, unless readers of the log, when it was another Redis, have reached a
 * place above that. An id beyond what a double holds is nobody's clock.
 */
const ID_ABOVE = `
local function idAbove(stream, reached)
  local ms, number = string.match(reached, '^(%d+)-(%d+)$')
  ms, number = tonumber(ms), tonumber(number)
  local time = redis.pcall('TIME')
  if not ms or ms >= 2 ^ 53 or number >= 2 ^ 53 or time.err or ms < time[1] * 1000 + math.floor(time[2] / 1000) then
    return '*'
  end
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if last then
    local lastMs, lastNumber = string.match(last[1], '^(%d+)-(%d+)$')
    lastMs, lastNumber = tonumber(lastMs), tonumber(lastNumber)
    if lastMs > ms or (lastMs == ms and lastNumber >= number) then return '*' end
  end
  return string.format('%.0f-%.0f', ms, number + 1)
end
`

/**
 * Commits one change of a user's incident with its event, unless somebody else was faster.
 *
 * KEYS 1 open incidents (hash)  2 their ids (hash)  3 the incident (string)  4 the user's report keys (sorted set)
 *      5 event log (stream)  6 the app's history (sorted set)  7 the user's history (sorted set)  8 the trail (list)
 * ARGV 1 user id  2 the open incident as it was read, '' for none  3 the incident to write  4 its id
 *      5 '1' if it is still open  6 the server's milliseconds  7 report keys to keep
 *      8 lifetime in seconds of what is closed  9 event  10 events to keep  11 historyKey
 *      12 historyKey of the oldest moment to keep  13 trail point, '' for none  14 trail points to keep
 *      15 an id of the event log that readers have reached, '' for none
 *      then for each report key to remember: the key, '1' if it is known to be a repeat
 * Result 1 committed, 0 the state is no longer the one that was read: nothing is written.
 */
export const COMMIT_CHANGE = `${REFUSALS}${ID_ABOVE}
local open = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if open ~= ARGV[2] then return 0 end
for i = 16, #ARGV, 2 do
  if ARGV[i + 1] ~= '1' and redis.call('ZSCORE', KEYS[4], ARGV[i]) then return 0 end
end
local refusal = refusalOf({
  { 'XADD', KEYS[5], '*', 'event', '' }, { 'HSET', KEYS[1], '', '' }, { 'HDEL', KEYS[2], '' },
  { 'SET', KEYS[3], '' }, { 'ZADD', KEYS[4], '0', '' }, { 'ZREMRANGEBYRANK', KEYS[4], '0', '0' },
  { 'ZREMRANGEBYLEX', KEYS[6], '-', '-' }, { 'RPUSH', KEYS[8], '' }, { 'LTRIM', KEYS[8], '0', '0' },
  { 'EXPIRE', KEYS[4], '1' },
}, {
  { KEYS[2], 'hash' }, { KEYS[4], 'zset' }, { KEYS[5], 'stream' }, { KEYS[6], 'zset' }, { KEYS[7], 'zset' },
})
if refusal then return refusal end
-- The newest key is the last to go, also when the clock was set back.
local newest = redis.call('ZREVRANGE', KEYS[4], 0, 0, 'WITHSCORES')[2]
local score = math.max(tonumber(ARGV[6]), tonumber(newest or '0') + 1)
redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[10], idAbove(KEYS[5], ARGV[15]), 'event', ARGV[9])
if ARGV[13] ~= '' then
  -- A trail that is no list must not keep an SOS waiting.
  redis.pcall('RPUSH', KEYS[8], ARGV[13])
  redis.pcall('LTRIM', KEYS[8], -tonumber(ARGV[14]), -1)
end
if ARGV[5] == '1' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
  redis.call('SET', KEYS[3], ARGV[3])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('SET', KEYS[3], ARGV[3], 'EX', ARGV[8])
  redis.call('EXPIRE', KEYS[8], ARGV[8])
end
for i = 6, 7 do
  redis.call('ZADD', KEYS[i], 0, ARGV[11])
  redis.call('ZREMRANGEBYLEX', KEYS[i], '-', '(' .. ARGV[12])
end
for i = 16, #ARGV, 2 do redis.call('ZADD', KEYS[4], 'NX', string.format('%.0f', score), ARGV[i]) end
if #ARGV >= 16 then
  redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -(tonumber(ARGV[7]) + 1))
  redis.call('EXPIRE', KEYS[4], ARGV[8])
end
return 1
`

/** What APPEND_TELEMETRY and APPEND_LATE have in common: KEYS 1 and 2, ARGV 3 and 4. */
const TRAILS = `${REFUSALS}
local telemetryCommands = {
  { 'SET', KEYS[3], '0', 'EX', '1' }, { 'XADD', KEYS[1], '*', 'record', '' }, { 'HGET', KEYS[2], '' },
  { 'RPUSH', ARGV[3], '' }, { 'LTRIM', ARGV[3], '0', '0' },
}
local function joinTrail(userId, point)
  local incident = redis.call('HGET', KEYS[2], userId)
  if not incident then return end
  -- A trail that is no list is one user's trouble; the telemetry of the others goes on.
  redis.pcall('RPUSH', ARGV[3] .. incident, point)
  redis.pcall('LTRIM', ARGV[3] .. incident, -tonumber(ARGV[4]), -1)
end
`

/**
 * Appends the telemetry of one app that came in during one turn of the event loop. A position of a user whose
 * incident is open joins its trail. Nothing is appended when CLOSE_BATCH was faster.
 *
 * KEYS 1 telemetry (stream)  2 ids of open incidents (hash)  3 the batch's number (string)
 *      4… last position of each user who sent one (strings)
 * ARGV 1 records to keep  2 lifetime of a last position in seconds  3 key of a trail without its incident id
 *      4 trail points to keep  5 number of this batch  6 lifetime of the number in seconds
 *      then for each record, oldest first: the record, the number of its user's key ('0' for none), the user id,
 *      the trail point, the last position that it may replace ('' for any, '-' for none): else it becomes none
 * Result the number of records appended, -1 when the batch is closed.
 */
export const APPEND_TELEMETRY = `${TRAILS}
local last = redis.call('GET', KEYS[3])
if last and string.sub(last, -1) == '-' then return -1 end
local refusal = refusalOf(telemetryCommands, { { KEYS[1], 'stream' }, { KEYS[2], 'hash' } })
if refusal then return refusal end
redis.call('SET', KEYS[3], ARGV[5], 'EX', ARGV[6])
for i = 7, #ARGV, 5 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'record', ARGV[i])
  local key = tonumber(ARGV[i + 1])
  if key > 0 and (ARGV[i + 4] == '' or (redis.call('GET', KEYS[key]) or '-') == ARGV[i + 4]) then
    redis.call('SET', KEYS[key], ARGV[i], 'EX', ARGV[2])
    joinTrail(ARGV[i + 2], ARGV[i + 3])
  end
end
return (#ARGV - 6) / 5
`

/**
 * Says how far a connection came with its batches, and lets none of them through any more: a frozen Redis reads
 * what was sent to it long ago.
 *
 * KEYS 1 the batch's number (string)  ARGV 1 its lifetime in seconds
 * Result the number of the last batch that was appended, 0 for none.
 */
export const CLOSE_BATCH = `
local last = string.gsub(redis.call('GET', KEYS[1]) or '0', '-', '')
redis.call('SET', KEYS[1], last .. '-', 'EX', ARGV[1])
return tonumber(last)
`

/**
 * Appends telemetry of one app from a journal, what is not there yet.
 *
 * KEYS 1 telemetry (stream)  2 ids of open incidents (hash)  3 number of the last entry appended (string)
 *      4… last position of each user who sent one (strings)
 * ARGV 1 records to keep  2 lifetime of a last position in seconds  3 key of a trail without its incident id
 *      4 trail points to keep  5 lifetime of the number in seconds
 *      then for each record, in the order of their numbers: the number, the record, when it was received, the
 *      number of its user's key ('0' for none), the user id, the trail point
 * Result the number of records appended.
 */
export const APPEND_LATE = `${TRAILS}
local last = tonumber(redis.call('GET', KEYS[3]) or '0')
local refusal = refusalOf(telemetryCommands, { { KEYS[1], 'stream' }, { KEYS[2], 'hash' } })
if refusal then return refusal end
local appended = 0
for i = 6, #ARGV, 6 do
  local number = tonumber(ARGV[i])
  if number > last then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'record', ARGV[i + 1])
    last = number
    appended = appended + 1
    local key = tonumber(ARGV[i + 3])
    if key > 0 then
      local before = redis.call('GET', KEYS[key])
      if not before or cjson.decode(before).receivedAt <= ARGV[i + 2] then
        redis.call('SET', KEYS[key], ARGV[i + 1], 'EX', ARGV[2])
      end
      joinTrail(ARGV[i + 4], ARGV[i + 5])
    end
  end
end
redis.call('SET', KEYS[3], string.format('%d', last), 'EX', ARGV[5])
return appended
`

/**
 * Commits one change of a gateway, unless somebody else was faster.
 *
 * KEYS 1 the app's gateways (hash)
 * ARGV 1 gateway id  2 its record as it was read, '' for none  3 the record to write, '' to remove it
 *      4 field of the version  5 the new version
 * Result 1 committed, 0 the record is no longer the one that was read: nothing is written.
 */
export const COMMIT_GATEWAY = `
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[4], ARGV[5])
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return 1
`

/**
 * Commits one change of a user's record with the index of device owners, unless somebody else was faster.
 *
 * KEYS 1 the record (string)  2… device keys (hashes): those to leave, then those to join
 * ARGV 1 the record as it was read, '' for none  2 the record to write, '' to remove it  3 user id  4 the owner
 *      5 how many device keys to leave
 * Result 1 committed, 0 the record is no longer the one that was read: nothing is written.
 */
export const COMMIT_USER = `${REFUSALS}
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
local types = {}
for i = 2, #KEYS do types[i - 1] = { KEYS[i], 'hash' } end
local refusal = refusalOf({
  { 'SET', KEYS[1], '' }, { 'DEL', KEYS[1] }, { 'HDEL', KEYS[#KEYS], '' }, { 'HSET', KEYS[#KEYS], '', '' },
}, types)
if refusal then return refusal end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
local leaving = tonumber(ARGV[5])
for i = 2, #KEYS do
  if i - 1 <= leaving then redis.call('HDEL', KEYS[i], ARGV[3]) else redis.call('HSET', KEYS[i], ARGV[3], ARGV[4]) end
end
return 1
`

/**
 * Commits one change of what is known of a node, unless somebody else was faster.
 *
 * KEYS 1 the app's nodes (hash)
 * ARGV 1 node id  2 the node as it was read, '' for none  3 the node to write, '' to remove it  4 field of the version
 *      5 the new version  6 fields to have at most
 * Result 1 committed, 0 the node is no longer the one that was read, 2 there is no room for it: nothing is written.
 */
export const COMMIT_NODE = `
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HSET', KEYS[1], ARGV[4], ARGV[5])
else
  if ARGV[2] == '' and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[6]) then return 2 end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3], ARGV[4], ARGV[5])
end
return 1
`

/**
 * Remembers nodes as heard, and forgets the ones heard longest ago above a number.
 *
 * KEYS 1 the nodes (hash)  2 when they were heard (sorted set)
 * ARGV 1 nodes to keep, then for each node: its id, milliseconds, the node
 * Result how many are kept.
 */
export const NOTE_HEARD = `${REFUSALS}
local refusal = refusalOf({
  { 'HSET', KEYS[1], '', '' }, { 'HDEL', KEYS[1], '' }, { 'ZADD', KEYS[2], '0', '' }, { 'ZPOPMIN', KEYS[2] },
}, { { KEYS[1], 'hash' }, { KEYS[2], 'zset' } })
if refusal then return refusal end
for i = 2, #ARGV, 3 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
  redis.call('ZADD', KEYS[2], ARGV[i + 1], ARGV[i])
end
while redis.call('ZCARD', KEYS[2]) > tonumber(ARGV[1]) do
  redis.call('HDEL', KEYS[1], redis.call('ZPOPMIN', KEYS[2])[1])
end
return redis.call('ZCARD', KEYS[2])
`
