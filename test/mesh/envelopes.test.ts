import * as fc from 'fast-check'
import t from 'tap'
import type { TelemetryContent } from '../../handlers/mesh/mesh-message.js'
import { encodeEnvelope, encodeNodeInfo, encodePosition, roundCoordinate } from '../support/mesh-packets.js'
import { ENVELOPE_TOPIC, HEARD_AT_S, NOW, readOneOn } from '../support/mesh-reading.js'
import { HEARD, hex, VECTORS } from '../support/mesh-vectors.js'

for (const { title, bytes, id, content } of VECTORS) {
  t.test(`${title} is read from its envelope, with who sent and heard it and when`, async (t) => {
    const message = readOneOn(ENVELOPE_TOPIC, hex(bytes))
    t.match(message, {
      sender: { is: 'node', nodeNumber: 0x11223344, nodeId: '!11223344' },
      heardBy: '!a1b2c3d4',
      channelName: 'LongFast',
      packetId: id,
      to: 0xffffffff,
      hops: 0,
      snr: 10.5,
      rssi: -85,
      isOkToMqtt: true,
      firmware: '2.5',
      times: { at: HEARD_AT_S * 1_000, heardAt: HEARD_AT_S * 1_000, arrivedAt: NOW },
      content,
    })
    t.equal(message.times.toldBy, /position|telemetry|same/.test(title) ? 'sender' : 'gateway')
  })
}

t.test('the position of an EIXAM SOS is where its vector says', async (t) => {
  const { content } = readOneOn(ENVELOPE_TOPIC, hex(VECTORS.at(-1)?.bytes as string))
  const fix = content.is === 'sos' ? content.fix : undefined
  t.equal(fix?.latitude.toFixed(5), '41.38258')
  t.equal(fix?.longitude.toFixed(5), '2.17684')
  t.equal(fix?.altitude, 120)
})

t.test('the encoder of these tests writes alerts and texts as the vectors are', async (t) => {
  for (const { title, bytes, id, written } of VECTORS.slice(3))
    t.equal(encodeEnvelope({ ...HEARD, ...written, id }).toString('hex'), bytes, title)
})

t.test('what the encoder writes is read like the vectors, encrypted or not', async (t) => {
  for (const { title, id, written, content } of VECTORS)
    t.match(readOneOn(ENVELOPE_TOPIC, encodeEnvelope({ ...HEARD, ...written, id })).content, content, title)
})

t.test('positions and telemetry that real nodes sent are read as their makers decoded them', async (t) => {
  const read = (port: number, base64: string) =>
    readOneOn(
      ENVELOPE_TOPIC,
      encodeEnvelope({ port, payload: Buffer.from(base64, 'base64'), from: 0x7efeb2c8, id: 1_576_523_473 }),
      { now: 1_764_200_000_000 },
    )
  const coarse = read(3, 'DQAAPh8VAAAOCBgvJdMnJmkoAligAXgAgAGwx84GmAEJuAEO')
  t.strictSame(coarse.content, {
    is: 'position',
    fix: {
      latitude: 52.4156928,
      longitude: 13.5135232,
      altitude: 47,
      precisionBits: 14,
      accuracyMeters: 1_459,
      origin: 'internal',
      pdop: 1.6,
      satellites: 9,
      speedKmh: 0,
      trackDegrees: 138.7,
    },
  })
  t.equal(coarse.times.at, 1_764_108_243_000)
  const powered = read(67, 'DeAnJmkSFQhlFW8Sg7odyi/WPyXEjb08KNHgLA==')
  t.match(powered.content, { battery: { percent: 100, isPowered: true }, uptimeS: 733_265 })
  t.match(powered.times, { at: 1_764_108_256_000, toldBy: 'sender' })
  const { voltage, channelUtilization, airUtilTx } = powered.content as TelemetryContent
  t.strictSame(
    [voltage, channelUtilization, airUtilTx].map((value) => value?.toFixed(5)),
    ['-0.00100', '1.67333', '0.02314'],
  )
  const old = read(3, 'DVAqzRcV+uKSzBgK')
  t.strictSame(old.sender, { is: 'node', nodeNumber: 2_130_621_128, nodeId: '!7efeb2c8' })
  t.strictSame(old.content, {
    is: 'position',
    fix: { latitude: 39.932168, longitude: -86.278887, altitude: 10 },
  })
  const empty = read(67, 'DX2QVWMSAA==')
  t.strictSame(empty.content, { is: 'telemetry' })
  t.equal(empty.times.at, 1_666_551_933_000)
})

t.test('a position is as old as its fix, where it says so', async (t) => {
  const at = (fields: { timeS?: number; fixedAtS?: number }) => {
    const payload = encodePosition({ latitudeI: 1, longitudeI: 1, ...fields })
    return readOneOn(ENVELOPE_TOPIC, encodeEnvelope({ port: 3, payload, heardAtS: HEARD_AT_S })).times.at
  }
  t.equal(at({ timeS: HEARD_AT_S - 5, fixedAtS: HEARD_AT_S - 600 }), (HEARD_AT_S - 600) * 1_000)
  t.equal(at({ timeS: HEARD_AT_S - 5 }), (HEARD_AT_S - 5) * 1_000)
  t.equal(at({}), HEARD_AT_S * 1_000)
})

t.test('a rounded position is no further off than its accuracy says', async (t) => {
  t.equal(roundCoordinate(0x12345678, 16), 0x12348000)
  const read = (latitudeI: number, precisionBits: number) => {
    const payload = encodePosition({
      latitudeI: roundCoordinate(latitudeI, precisionBits),
      longitudeI: 1,
      precisionBits,
    })
    const { content } = readOneOn(ENVELOPE_TOPIC, encodeEnvelope({ port: 3, payload }))
    if (content.is !== 'position') throw new Error(content.is)
    return content.fix
  }
  const told = {
    13: 2_918,
    14: 1_459,
    15: 730,
    16: 365,
    17: 182,
    18: 91,
    19: 46,
    22: undefined,
    32: undefined,
  }
  for (const [bits, meters] of Object.entries(told))
    t.equal(read(374_208_000, Number(bits)).accuracyMeters, meters, `${bits} bits`)
  fc.assert(
    fc.property(fc.integer({ min: -8e8, max: 8e8 }), fc.integer({ min: 10, max: 21 }), (latitudeI, bits) => {
      const { latitude, accuracyMeters = 0 } = read(latitudeI, bits)
      return Math.abs(latitude - latitudeI / 1e7) * 111_320 <= accuracyMeters + 1
    }),
  )
})

t.test('what a node says of itself: key, MAC address, names, model', async (t) => {
  const publicKey = Buffer.alloc(32, 2)
  const info = {
    id: '!ef7dc16f',
    longName: 'Nina\0 Ridge\u0007',
    shortName: 'NR',
    mac: hex('cf82aabbccdd'),
    hardwareModel: 9,
    role: 5,
    publicKey,
  }
  const read = (from: number, fields: Parameters<typeof encodeNodeInfo>[0], signature?: Buffer) =>
    readOneOn(
      ENVELOPE_TOPIC,
      encodeEnvelope({ port: 4, payload: encodeNodeInfo(fields), from, ...(signature ? { signature } : {}) }),
    )
  const upgraded = read(0xef7dc16f, info, Buffer.alloc(64))
  t.strictSame(upgraded.content, {
    is: 'node-info',
    longName: 'Nina  Ridge',
    shortName: 'NR',
    mac: 'CF:82:AA:BB:CC:DD',
    publicKey: publicKey.toString('hex'),
    isNumberOfKey: true,
    hardwareModel: 9,
    role: 5,
  })
  t.equal(upgraded.firmware, '2.8')
  t.match(read(0xaabbccdd, info).content, { isNumberOfKey: false })
  const blanked = read(0xaabbccdd, {
    longName: 'é'.repeat(500),
    mac: Buffer.alloc(6),
    publicKey: Buffer.alloc(31),
  })
  t.strictSame(blanked.content, { is: 'node-info', longName: 'é'.repeat(40) })
})
