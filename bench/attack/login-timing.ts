import { signUser } from '../../auth/identity.js'
import { createLogin } from '../../auth/login.js'
import { createLoginThrottle } from '../../auth/throttle.js'
import type { Attack } from './attack.js'

const TRIES = 10_000
const WARM_UP = 2_000
/** One standard error is what two equal things differ by in a third of all runs; above three they are not equal. */
const LIMIT_STANDARD_ERRORS = 3

const APP = { appId: 'demo-app', secrets: ['a secret of thirty-two characters'], disabled: false }
const OTHER_SECRET = 'no secret of thirty-two character'
const CASES = [
  { name: 'known app, right hash', appId: APP.appId, isRight: true },
  { name: 'known app, wrong hash', appId: APP.appId, isRight: false },
  { name: 'unknown app, right hash', appId: 'demo-bpp', isRight: true },
  { name: 'unknown app, wrong hash', appId: 'demo-bpp', isRight: false },
]

/**
 * Does the time of an answer tell whether there is such an app, or how much of a hash is right? The login itself is
 * measured, in this process, without a network whose noise would hide it: every case once a round, in an order by
 * chance, each try by another user.
 */
export const loginTiming: Attack = {
  name: 'the time of a login is taken 10,000 times a case',
  async run() {
    const login = createLogin({
      apps: {
        find: (appId) => (appId === APP.appId ? APP : undefined),
        appIds: () => [APP.appId],
        onChange() {},
        reload() {},
        stop() {},
      },
      throttle: createLoginThrottle({
        failuresPerIdentity: 10,
        failuresPerAddress: 1e9,
        limitLoopback: true,
      }),
      revokedUsers: { revokedAt: () => null },
    })
    const times = CASES.map(() => new Float64Array(TRIES))
    for (let round = -WARM_UP; round < TRIES; round++) {
      for (const index of shuffled(CASES.length)) {
        const { appId, isRight } = CASES[index]!
        const externalUserId = `user ${round} ${index}`
        const hash = signUser(isRight ? APP.secrets[0]! : OTHER_SECRET, externalUserId)
        const given = {
          name: { appId, externalUserId },
          password: Buffer.from(hash),
          address: '203.0.113.7',
        }
        await new Promise((resolve) => setImmediate(resolve)) // what the one before left behind is done
        const began = process.hrtime.bigint()
        await login(given)
        const took = Number(process.hrtime.bigint() - began) / 1_000
        if (round >= 0) times[index]![round] = took
      }
    }
    const measured = CASES.map(({ name }, index) => ({ name, ...summarize(times[index]!) }))
    return measured.flatMap((one, i) =>
      measured.slice(i + 1).map((other) => ({
        measured: `${describe(one)} against ${describe(other)}: differ by`,
        value: Math.abs(one.mean - other.mean) / Math.hypot(one.error, other.error),
        limit: LIMIT_STANDARD_ERRORS,
        unit: 'standard errors',
      })),
    )
  },
}

function describe({ name, mean, error }: { name: string; mean: number; error: number }): string {
  return `${name} (${mean.toFixed(2)} ± ${error.toFixed(2)} µs)`
}

/** The slowest hundredth is left out of every case alike: those tries met the collector or another process. */
function summarize(all: Float64Array): { mean: number; error: number } {
  const times = all.toSorted().subarray(0, Math.floor(all.length * 0.99))
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length
  const variance = times.reduce((sum, time) => sum + (time - mean) ** 2, 0) / (times.length - 1)
  return { mean, error: Math.sqrt(variance / times.length) }
}

function shuffled(count: number): number[] {
  return Array.from({ length: count }, (_, index) => ({ index, by: Math.random() }))
    .toSorted((a, b) => a.by - b.by)
    .map(({ index }) => index)
}
