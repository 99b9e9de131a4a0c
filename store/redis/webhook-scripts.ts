/**
 * Takes a lease, or prolongs it.
 *
 * KEYS 1 the lease (string)
 * ARGV 1 who asks  2 milliseconds
 * Result 1 it is his, 0 somebody else has it.
 */
export const HOLD_LEASE = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`

/**
 * Gives a lease back.
 *
 * KEYS 1 the lease (string)
 * ARGV 1 whose it is
 * Result 1 given back, 0 it is not his.
 */
export const RELEASE_LEASE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`

/**
 * Writes how far a web hook has got, and what was given up, for whoever holds the lease.
 *
 * KEYS 1 the lease (string)  2 the state (string)  3 the dead letters (list)  4 how many of them had to go (string)
 * ARGV 1 who writes  2 the state  3 dead letters to keep, then each new one
 * Result how many dead letters had to go, -1 he does not hold the lease: nothing is written.
 */
export const WRITE_WEBHOOK = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
for i = 4, #ARGV do redis.call('RPUSH', KEYS[3], ARGV[i]) end
local dropped = math.max(0, redis.call('LLEN', KEYS[3]) - tonumber(ARGV[3]))
if dropped > 0 then
  redis.call('LTRIM', KEYS[3], dropped, -1)
  redis.call('INCRBY', KEYS[4], dropped)
end
redis.call('SET', KEYS[2], ARGV[2])
return dropped
`
