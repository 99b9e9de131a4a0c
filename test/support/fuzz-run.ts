import type { Duplex } from 'node:stream'
import type { Credentials } from './broker.js'
import { encode, hostileConnect, hostilePacket, Random, validConnect } from './fuzz-packets.js'
import { PINGREQ } from './wire-packets.js'
import type { Version } from './wire-packets.js'

export interface Tally {
  connections: number
  /** Connections that were answered with CONNACK. */
  answered: number
  /** Cases that the gate has certainly judged; see `runConnection`. */
  cases: number
  /** What came back that no server sends. */
  nonsense: string[]
}

function createTally(): Tally {
  return { connections: 0, answered: 0, cases: 0, nonsense: [] }
}

/**
 * One hostile connection, from its first byte until it is closed.
 *
 * How cases are counted: behind every hostile packet of a session stands a PINGREQ, so each PINGRESP proves that
 * what stood before it was read and let pass; a DISCONNECT of the broker (5.0) proves that one more was judged and
 * refused. What was swallowed as the body of another packet, stood behind the end, or ended a 3.1.1 session
 * without a word does not count. A connection that never logs in is one case.
 *
 * `hangs`: the client does not end its side, so only the limits of the broker can.
 */
async function runConnection(
  wire: Duplex,
  random: Random,
  user: Credentials,
  { hangs, isSession }: { hangs: boolean; isSession: boolean },
  tally: Tally,
): Promise<void> {
  const version: Version = random.pick([4, 5])
  const bytes = isSession ? session(random, user, version, hangs) : hostileConnect(random, user, version)
  const counts = new Map<number, number>()
  const scan = createScanner((type) => counts.set(type, (counts.get(type) ?? 0) + 1), tally.nonsense)
  wire.on('data', (chunk: Buffer) => {
    scan(chunk)
    // A hostile CONNECT may turn out a good one, with any keep alive: then the client leaves.
    if (!isSession && counts.has(CONNACK)) wire.end()
  })
  wire.on('error', () => {})
  wire.on('end', () => wire.end())
  const closed = new Promise((resolve) => wire.once('close', resolve))
  sendInPieces(random, bytes, wire)
  if (!hangs) wire.end()
  await closed
  tally.connections++
  if (counts.has(CONNACK)) tally.answered++
  tally.cases += isSession ? (counts.get(PINGRESP) ?? 0) + (counts.get(DISCONNECT) ?? 0) : 1
}

/** Hostile connections, `atOnce` at a time, until `cases` cases are judged. Connection n follows from seed + n. */
export async function runConnections(
  open: () => Duplex,
  user: Credentials,
  options: { seed: number; cases: number; atOnce: number; sessionsOf10: number; hangingOf1000: number },
): Promise<Tally> {
  const tally = createTally()
  let n = 0
  const work = async () => {
    while (tally.cases < options.cases) {
      const random = new Random(options.seed + n++)
      const isSession = random.below(10) < options.sessionsOf10
      const hangs = random.below(1_000) < options.hangingOf1000
      await runConnection(open(), random, user, { hangs, isSession }, tally)
    }
  }
  await Promise.all(Array.from({ length: options.atOnce }, work))
  return tally
}

/** A login and some hostile packets, a PINGREQ behind each. */
function session(random: Random, user: Credentials, version: Version, hangs: boolean): Buffer {
  const parts = [encode(validConnect(user, version, hangs ? 1 : 30))]
  for (let i = 0; i < PACKETS_PER_SESSION; i++) parts.push(hostilePacket(random, user, version), PINGREQ)
  return Buffer.concat(parts)
}

function sendInPieces(random: Random, bytes: Buffer, wire: Duplex): void {
  const pieces = random.below(4)
  let at = 0
  for (let i = 0; i < pieces; i++) {
    const to = at + random.below(Math.max(1, bytes.length - at))
    if (to > at) wire.write(bytes.subarray(at, to))
    at = to
  }
  wire.write(bytes.subarray(at))
}

/** Reads the types of the packets that a server sends, however they are cut. */
function createScanner(onPacket: (type: number) => void, nonsense: string[]): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk) => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    for (;;) {
      let length = 0
      let at = 1
      let byte = 0x80
      while (byte >= 0x80 && at <= 4) {
        if (at >= rest.length) return
        byte = rest[at] as number
        length += (byte & 0x7f) * 128 ** (at - 1)
        at++
      }
      const type = (rest[0] as number) >> 4
      if (byte >= 0x80 || !SERVER_TYPES.has(type))
        return void nonsense.push(rest.subarray(0, 32).toString('hex'))
      if (rest.length < at + length) return
      onPacket(type)
      rest = rest.subarray(at + length)
    }
  }
}

const CONNACK = 2
const PINGRESP = 13
const DISCONNECT = 14
const SERVER_TYPES = new Set([2, 3, 4, 5, 6, 7, 9, 11, 13, 14])
const PACKETS_PER_SESSION = 24
