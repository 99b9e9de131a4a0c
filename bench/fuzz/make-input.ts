import {
  encode,
  mutate,
  mutateBytes,
  hostilePacket,
  validConnect,
  validPacket,
} from '../../test/support/fuzz-packets.js'
import type { Parts, Random } from '../../test/support/fuzz-packets.js'
import type { Input } from '../../test/support/corpus.js'
import { fuzzCredentials } from '../../test/support/fuzz-app.js'
import type { Version } from '../../test/support/wire-packets.js'
import { httpConversation } from './http-conversation.js'
import { upgradeRequest, webSocketFrames } from './websocket-conversation.js'

/** A new input: a valid conversation that was changed, or an entry of the corpus that was changed again. */
export function makeInput(random: Random, corpus: readonly Input[]): Input {
  if (corpus.length > 0 && random.below(5) === 0) {
    const { port, pieces } = random.pick(corpus)
    let bytes: Buffer = Buffer.concat(pieces)
    for (let i = random.below(4); i >= 0; i--) bytes = mutateBytes(random, bytes)
    return { port, pieces: cut(random, bytes) }
  }
  switch (random.below(4)) {
    case 0:
      return { port: 'http', pieces: cut(random, webSocketConversation(random)) }
    case 1:
      return { port: 'http', pieces: cut(random, httpConversation(random)) }
    default:
      return { port: 'mqtt', pieces: cut(random, Buffer.concat(mqttConversation(random))) }
  }
}

/** A login and what a phone sends behind it, with something wrong about one to three of its packets. */
function mqttConversation(random: Random): Buffer[] {
  const version: Version = random.pick([4, 5])
  const user = fuzzCredentials(random.pick(USERS))
  const packets: Parts[] = [validConnect(user, version, random.pick([1, 30, 600]))]
  for (let i = 2 + random.below(12); i > 0; i--) packets.push(validPacket(random, user, version))
  const bytes = packets.map(encode)
  for (let i = random.below(3); i >= 0; i--) {
    // A broken CONNECT ends everything: rarely, so that most of it is met by a session.
    const at = random.below(12) === 0 ? 0 : 1 + random.below(packets.length - 1)
    switch (random.below(6)) {
      case 0: // packet level: left out, twice, in another place
        bytes.splice(at, 1)
        break
      case 1:
        bytes.splice(at, 0, bytes[at] as Buffer)
        break
      case 2:
        bytes.splice(random.below(bytes.length), 0, ...bytes.splice(at, 1))
        break
      case 3: // field level, or the packet's own framing
        bytes[at] = mutate(random, packets[at] as Parts)
        break
      case 4:
        bytes.splice(at, 0, hostilePacket(random, user, version))
        break
      default: // byte level
        bytes[at] = mutateBytes(random, bytes[at] ?? Buffer.alloc(1))
    }
    if (bytes.length < 2 || bytes.length !== packets.length) break
  }
  return bytes
}

function webSocketConversation(random: Random): Buffer {
  const frames = webSocketFrames(random, mqttConversation(random))
  const bytes = Buffer.concat([upgradeRequest(random), ...frames])
  return random.below(6) === 0 ? mutateBytes(random, bytes) : bytes
}

/** One to four writes. */
function cut(random: Random, bytes: Buffer): Buffer[] {
  const places = Array.from({ length: random.below(4) }, () => random.below(bytes.length + 1)).toSorted(
    (a, b) => a - b,
  )
  return [0, ...places]
    .map((from, i) => bytes.subarray(from, places[i] ?? bytes.length))
    .filter((piece) => piece.length > 0)
}

/** An id that needs encoding in a topic, one that looks like a user's UUID, and plain ones. */
const USERS = ['fuzz', 'fuzz 2', 'f/ü:zz', '00000000-0000-5000-8000-000000000000', '__proto__']
