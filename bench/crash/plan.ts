import type { Chance } from './chance.js'

/** What is done to the broker, to Redis, or to both, while everybody publishes. */
export const KINDS = {
  'kill broker': 'SIGKILL, started again at once',
  'kill broker twice': 'SIGKILL, and SIGKILL again while it starts',
  'stop broker': 'SIGTERM, and it must end with code 0',
  'freeze broker': 'SIGSTOP, then SIGCONT',
  'kill redis': 'SIGKILL, started again after a while',
  'freeze redis': 'SIGSTOP, then SIGCONT: it answers nothing and closes nothing',
  'kill both': 'SIGKILL to Redis and to the broker',
  'kill broker, redis frozen': 'SIGKILL to the broker, started again while Redis does not answer',
} as const

export type Kind = keyof typeof KINDS

export interface Cycle {
  kind: Kind
  /** Acknowledgements to wait for before it happens; it then falls right behind one. */
  acknowledgements: number
  /** How long something stays frozen, or Redis down. */
  awayMs: number
  /** From a start to the second SIGKILL, or between the two of `kill both`. */
  pauseMs: number
}

/** So many cycles of each kind. */
export type Counts = Partial<Record<Kind, number>>

/**
 * `cycles` SIGKILLs of the broker and `redisCycles` of Redis, in all; what is stopped or frozen comes on top.
 */
export function countKinds(store: 'embedded' | 'redis', cycles: number, redisCycles: number): Counts {
  const twice = Math.floor(cycles / 8)
  const ofBroker: Counts = {
    'kill broker': cycles - 2 * twice,
    'kill broker twice': twice,
    'stop broker': Math.ceil(cycles / 15),
    'freeze broker': Math.ceil(cycles / 20),
  }
  if (store === 'embedded') return ofBroker
  const both = Math.floor(Math.min(cycles, redisCycles) / 5)
  const frozen = Math.floor(Math.min(cycles, redisCycles) / 10)
  return {
    ...ofBroker,
    'kill broker': cycles - 2 * twice - both - frozen,
    'kill redis': redisCycles - both,
    'freeze redis': Math.ceil(redisCycles / 5),
    'kill both': both,
    'kill broker, redis frozen': frozen,
  }
}

/** The cycles in an order by chance, each with its moment. */
export function planCycles(
  counts: Counts,
  chance: Chance,
  { acknowledgementsMax, awayMsMax }: { acknowledgementsMax: number; awayMsMax: number },
): Cycle[] {
  const kinds = Object.entries(counts).flatMap(([kind, count]) => Array<Kind>(count).fill(kind as Kind))
  return chance.shuffle(kinds).map((kind) => ({
    kind,
    acknowledgements: chance.whole(1, acknowledgementsMax),
    // Mostly short, because each second away is one without a kill; sometimes longer than every limit of a command.
    awayMs: chance.percent(80) ? chance.whole(0, awayMsMax / 5) : chance.whole(awayMsMax / 5, awayMsMax),
    pauseMs: chance.whole(0, START_MS),
  }))
}

/** About the time that a broker needs to start, so that the second kill falls anywhere in it. */
const START_MS = 900
