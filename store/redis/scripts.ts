/**
 * Commits one change of a user's incident with its event, unless somebody else was faster.
 *
 * KEYS 1 open incidents (hash)  2 the incident (string)  3 the user's report keys (sorted set)  4 event log (stream)
 * ARGV 1 user id  2 the open incident as it was read, '' for none  3 the incident to write
 *      4 '1' if it is still open  5 report key to remember, '' for none  6 the server's milliseconds
 *      7 report keys to keep  8 lifetime in seconds of what is closed  9 event  10 events to keep  11 '1' if the report is known to be a repeat
 * Result 1 committed, 0 the state is no longer the one that was read: nothing is written.
 */
export const COMMIT_CHANGE = `
local open = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if open ~= ARGV[2] then return 0 end
if ARGV[5] ~= '' then
  if redis.call('ZADD', KEYS[3], 'NX', ARGV[6], ARGV[5]) == 0 and ARGV[11] ~= '1' then return 0 end
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -(tonumber(ARGV[7]) + 1))
  redis.call('EXPIRE', KEYS[3], ARGV[8])
end
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  redis.call('SET', KEYS[2], ARGV[3])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[8])
end
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[10], '*', 'event', ARGV[9])
return 1
`

/**
 * Appends the telemetry of one app that came in during one turn of the event loop.
 *
 * KEYS 1 telemetry (stream)  2… last position of each user who sent one (strings)
 * ARGV 1 records to keep  2 lifetime of a last position in seconds
 *      then for each record, oldest first: the record, and the number of its user's key, '0' for none
 * Result the number of records appended.
 */
export const APPEND_TELEMETRY = `
for i = 3, #ARGV, 2 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'record', ARGV[i])
  local key = tonumber(ARGV[i + 1])
  if key > 0 then redis.call('SET', KEYS[key], ARGV[i], 'EX', ARGV[2]) end
end
return (#ARGV - 2) / 2
`
