import type { Random } from '../../test/support/fuzz-packets.js'

/** The request for a WebSocket; in one of eight something about it is wrong. */
export function upgradeRequest(random: Random): Buffer {
  const headers: [string, string][] = [
    ['Host', 'localhost'],
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
    ['Sec-WebSocket-Version', '13'],
    ['Sec-WebSocket-Key', 'AAAAAAAAAAAAAAAAAAAAAA=='],
    ['Sec-WebSocket-Protocol', 'mqtt'],
  ]
  let path = random.pick(['/mqtt', '/ws'])
  if (random.below(8) === 0) {
    const at = random.below(headers.length)
    const header = headers[at] as [string, string]
    switch (random.below(5)) {
      case 0:
        headers.splice(at, 1)
        break
      case 1:
        headers.splice(at, 0, header)
        break
      case 2:
        header[1] = random.pick([
          '',
          '\u00ff',
          'x'.repeat(9_000),
          '0',
          'mqtt, mqtt',
          'permessage-deflate',
          '8',
        ])
        break
      case 3:
        headers.push(random.pick(ODD_HEADERS))
        break
      default:
        path = random.pick([
          '/',
          '/mqtt/',
          '//mqtt',
          '/%6dqtt',
          '/mqtt?x=1',
          '/v1/sdk/me',
          'ws://x/mqtt',
          '*',
        ])
    }
  }
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
}

/** MQTT in frames: a packet each, several in one, or one in several; in one of four a frame breaks the rules. */
export function webSocketFrames(random: Random, packets: Buffer[]): Buffer[] {
  const all = Buffer.concat(packets)
  const sizes = random.pick([1, 7, 64, 1_000])
  const payloads =
    random.below(2) === 0
      ? packets
      : Array.from({ length: Math.min(200, Math.ceil(all.length / sizes)) }, (_, i) =>
          all.subarray(i * sizes, (i + 1) * sizes),
        )
  const frames = payloads.map((payload) => frame(random, payload, 0x82))
  if (random.below(3) === 0)
    frames.splice(random.below(frames.length), 0, frame(random, Buffer.from('hi'), 0x89))
  if (random.below(4) === 0) {
    const at = random.below(frames.length)
    frames[at] = hostileFrame(random, payloads[at] ?? Buffer.alloc(0))
  }
  if (random.below(3) === 0) frames.push(frame(random, random.pick(CLOSES), 0x88))
  return frames
}

function hostileFrame(random: Random, payload: Buffer): Buffer {
  switch (random.below(7)) {
    case 0: // any opcode, reserved bits, with and without FIN
      return frame(random, payload, random.below(256))
    case 1: // not masked
      return Buffer.concat([Buffer.of(0x82, Math.min(125, payload.length)), payload.subarray(0, 125)])
    case 2: // a length that does not come, in 16 and 64 bits
      return Buffer.concat([random.pick(LENGTHS), payload])
    case 3: // a control frame in fragments, or too long
      return frame(random, Buffer.alloc(random.pick([1, 126, 300])), random.pick([0x08, 0x09, 0x0a, 0x89]))
    case 4: // fragments that go on without a beginning, or begin twice
      return Buffer.concat([
        frame(random, payload, random.pick([0x00, 0x80, 0x02])),
        frame(random, payload, 0x02),
      ])
    case 5: // a text frame
      return frame(random, payload, 0x81)
    default: // nothing in it, many times
      return Buffer.concat(
        Array.from({ length: 300 }, () => frame(random, Buffer.alloc(0), random.pick([0x02, 0x00]))),
      )
  }
}

function frame(random: Random, payload: Buffer, first: number): Buffer {
  const mask = random.bytes(4)
  const length = payload.length
  const head =
    length < 126
      ? Buffer.of(first, 0x80 | length)
      : Buffer.of(first, 0xfe, (length >> 8) & 0xff, length & 0xff)
  const masked = payload.map((byte, i) => byte ^ (mask[i % 4] as number))
  return Buffer.concat([head, mask, masked])
}

const ODD_HEADERS: [string, string][] = [
  ['Origin', 'https://elsewhere.example'],
  ['Origin', 'null'],
  ['Sec-WebSocket-Extensions', 'permessage-deflate; client_max_window_bits=0'],
  ['Transfer-Encoding', 'chunked'],
  ['Content-Length', '5'],
  ['X-Forwarded-For', '1.2.3.4'],
]
const LENGTHS = [
  '82fe0000',
  '82feffff',
  '82ff00000000ffffffff',
  '82ffffffffffffffffff',
  '82ff0000000000000001',
].map((hex) => Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(4)]))
const CLOSES = ['', '03', '03e8', '03ed', 'ffff', '03e8ff', `03e8${'61'.repeat(120)}`].map((hex) =>
  Buffer.from(hex, 'hex'),
)
