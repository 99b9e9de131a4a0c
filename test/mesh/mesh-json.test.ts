import t from 'tap'
import { NOW, readOn, readOneOn } from '../support/mesh-reading.js'

const TOPIC = 'msh/2/json/LongFast/!a1b2c3d4'
const HEAD = {
  channel: 0,
  from: 0x11223344,
  id: 39_321,
  sender: '!a1b2c3d4',
  timestamp: NOW / 1_000,
  to: 4_294_967_295,
}

t.test('a position in JSON is read like one in an envelope', async (t) => {
  const message = readOneOn(TOPIC, {
    ...HEAD,
    hops_away: 1,
    rssi: -124,
    snr: -18,
    type: 'position',
    payload: {
      PDOP: 160,
      altitude: 85,
      ground_speed: 4,
      ground_track: 13_870_000,
      latitude_i: 517_720_000,
      longitude_i: 395_000,
      precision_bits: 32,
      sats_in_view: 9,
      time: NOW / 1_000 - 60,
    },
  })
  t.match(message, {
    sender: { nodeId: '!11223344' },
    heardBy: '!a1b2c3d4',
    channelName: 'LongFast',
    packetId: 39_321,
    to: 0xffffffff,
    hops: 1,
    rssi: -124,
    snr: -18,
    times: { at: NOW - 60_000, toldBy: 'sender', heardAt: NOW },
  })
  t.strictSame(message.content, {
    is: 'position',
    fix: {
      latitude: 51.772,
      longitude: 0.0395,
      altitude: 85,
      precisionBits: 32,
      pdop: 1.6,
      satellites: 9,
      speedKmh: 4,
      trackDegrees: 138.7,
    },
  })
})

t.test('telemetry of a device is taken, and that of a sensor, which has a voltage too, is not', async (t) => {
  const read = (payload: object) => readOneOn(TOPIC, { ...HEAD, type: 'telemetry', payload }).content
  t.strictSame(
    read({
      air_util_tx: 0.02,
      battery_level: 101,
      channel_utilization: 1.5,
      uptime_seconds: 60,
      voltage: 4.35400009155273,
    }),
    {
      is: 'telemetry',
      battery: { percent: 100, isPowered: true },
      voltage: 4.35400009155273,
      channelUtilization: 1.5,
      airUtilTx: 0.02,
      uptimeS: 60,
    },
  )
  t.strictSame(read({ temperature: 21.5, voltage: 3.3 }), { is: 'other' })
  t.strictSame(read({ battery_level: -1, uptime_seconds: '60', air_util_tx: null }), { is: 'telemetry' })
})

t.test(
  'names with control characters, escaped or raw, and numbers that were signed before 2.2',
  async (t) => {
    const escaped =
      '{"channel":0,"from":-1430532899,"id":-5,"payload":{"hardware":9,"id":"!aabbccdd","longname":"Nina\\u0000","role":1,' +
      '"shortname":"NR"},"sender":"!a1b2c3d4","timestamp":0,"to":-622873220,"type":"nodeinfo"}'
    for (const json of [escaped, escaped.replace('\\u0000', '\0\u0001')]) {
      t.match(readOneOn(TOPIC, json), {
        sender: { nodeNumber: 0xaabbccdd, nodeId: '!aabbccdd' },
        to: 3_672_094_076,
        packetId: 4_294_967_291,
        times: { at: NOW, toldBy: 'arrival' },
        content: { is: 'node-info', longName: 'Nina', shortName: 'NR', hardwareModel: 9, role: 1 },
      })
    }
    const broadcast = readOneOn('msh/2/json/LongFast/!7efeee00', {
      ...HEAD,
      sender: '!7efeee00',
      to: -1,
      type: 'text',
      payload: { text: 'SOS' },
    })
    t.match(broadcast, { to: 0xffffffff, content: { is: 'sos', trigger: 'text' } })
  },
)

t.test('a text that is JSON itself stands in the payload as that JSON', async (t) => {
  const read = (payload: unknown) => readOneOn(TOPIC, { ...HEAD, type: 'text', payload }).content
  const texts: [unknown, string][] = [
    [{ text: 'hello' }, 'hello'],
    [112, '112'],
    [true, 'true'],
    [null, 'null'],
    [{ a: 1 }, '{"a":1}'],
    [[1, 2], '[1,2]'],
    [{ text: 5 }, '{"text":5}'],
    ['quoted', 'quoted'],
  ]
  for (const [payload, text] of texts) t.strictSame(read(payload), { is: 'text', text })
  t.match(read('SOS at the hut'), { is: 'sos', note: 'SOS at the hut' })
})

t.test('a sensor that goes off is an SOS where its name says so', async (t) => {
  const read = (text: string) => readOneOn(TOPIC, { ...HEAD, type: 'detection', payload: { text } }).content
  t.match(read('Mandown detected\u0007'), { is: 'sos', trigger: 'sensor', note: 'Mandown detected' })
  t.match(read('Mandown state: 1'), { is: 'text' })
})

t.test(
  'an alert in JSON has lost its text and even that it is one: it is counted, and nothing else',
  async (t) => {
    t.strictSame(readOneOn(TOPIC, { ...HEAD, type: '' }).content, { is: 'other' })
  },
)

t.test("JSON that is not the gateway's own, is from nobody, or is no object is refused", async (t) => {
  const text = { ...HEAD, type: 'text', payload: { text: 'SOS' } }
  const refusals: [unknown, string][] = [
    [{ ...text, sender: '!11111111' }, 'gateway-mismatch'],
    [{ ...text, sender: undefined }, 'gateway-mismatch'],
    [{ ...text, from: 0 }, 'bad-sender'],
    [{ ...text, from: -1 }, 'bad-sender'],
    [{ ...text, from: 2 ** 32 }, 'bad-sender'],
    [{ ...text, from: '287454020' }, 'bad-sender'],
    [{ ...text, hops_away: 8 }, 'too-many-hops'],
    ['[1]', 'malformed'],
    ['{"from":', 'malformed'],
    [Buffer.alloc(4_097, 0x20), 'too-large'],
    [`{"from":1,"x":${'['.repeat(1_000)}${']'.repeat(1_000)}}`, 'malformed'],
  ]
  for (const [payload, why] of refusals)
    t.match(readOn(TOPIC, payload as object), { is: 'refused', why }, JSON.stringify(payload).slice(0, 60))
})

t.test('field names of Object are fields like others', async (t) => {
  const json =
    '{"__proto__":{"type":"text"},"constructor":1,"from":5,"id":1,"sender":"!a1b2c3d4","to":4294967295,' +
    '"type":"position","payload":{"__proto__":{"latitude_i":1,"longitude_i":1}}}'
  t.strictSame(readOneOn(TOPIC, json).content, { is: 'no-position', why: 'missing' })
})
