import * as fc from 'fast-check'
import t from 'tap'
import { createUser } from '../../auth/identity.js'
import {
  decodeText,
  namesOther,
  readDeviceId,
  readJsonObject,
  readPosition,
  readTimestamp,
} from '../../handlers/payload.js'
import { readSosReport } from '../../handlers/sos-report.js'
import { encodeAsDart } from '../support/phone.js'

const now = new Date('2026-05-01T12:00:00.000Z')

t.test(
  'contract 3: text is UTF-8 where it is, else Latin-1, so every unit up to U+00FF arrives',
  async (t) => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        (text) => decodeText(Buffer.from(`x${text}`)) === `x${text}`,
      ),
    )
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0x80, max: 0xff }), { minLength: 1 }), (units) => {
        const text = String.fromCharCode(...units)
        const bytes = Buffer.from(text, 'latin1')
        const isUtf8 = bytes.equals(Buffer.from(bytes.toString('utf8')))
        return isUtf8 || decodeText(bytes) === text
      }),
    )
    t.equal(decodeText(Buffer.from('Ätna 3°', 'latin1')), 'Ätna 3°')
  },
)

t.test(
  'contract 5: equal times have equal keys, whatever their digits and zone; others differ',
  async (t) => {
    const micros = fc.bigInt({ min: 0n, max: 4_102_444_800_000_000n })
    const write = (time: bigint, offsetHours: number) => {
      const shifted = new Date(Number(time / 1000n) + offsetHours * 3_600_000).toISOString().slice(0, 19)
      const fraction = String(time % 1_000_000n).padStart(6, '0')
      const sign = offsetHours < 0 ? '-' : '+'
      return `${shifted}.${fraction}${sign}${String(Math.abs(offsetHours)).padStart(2, '0')}:00`
    }
    fc.assert(
      fc.property(micros, micros, fc.integer({ min: -12, max: 14 }), (one, other, offset) => {
        const [utc, local, second] = [write(one, 0), write(one, offset), write(other, offset)].map(
          readTimestamp,
        )
        return (
          utc?.key === local?.key && utc?.ms === local?.ms && (utc?.key === second?.key) === (one === other)
        )
      }),
    )
    const key = readTimestamp('2026-05-01T10:00:00.120Z')?.key
    for (const same of [
      '2026-05-01T10:00:00.12Z',
      '2026-05-01T10:00:00.120000Z',
      '2026-05-01T10:00:00.12',
      '2026-05-01 10:00:00,12z',
      '2026-05-01T12:00:00.12+0200',
    ])
      t.equal(readTimestamp(same)?.key, key, same)
    t.not(readTimestamp('2026-05-01T10:00:00.120001Z')?.key, key)
  },
)

t.test('contract 5: a time is kept as it was written; one without a zone gets a Z', async (t) => {
  for (const text of ['2026-05-01T10:00:00Z', '2026-05-01T10:00:00.123456Z', '2026-05-01T10:00:00+05:30'])
    t.equal(readTimestamp(text)?.text, text)
  t.equal(readTimestamp('2026-05-01T10:00:00.5')?.text, '2026-05-01T10:00:00.5Z')
  t.equal(readTimestamp('2026-05-01T10:00:00.123456Z')?.ms, Date.UTC(2026, 4, 1, 10, 0, 0, 123))
})

t.test('contract 5: what is no time is none', async (t) => {
  const texts = [
    '',
    'now',
    '2026-05-01',
    '10:00:00',
    '2026-02-30T10:00:00Z',
    '2026-13-01T10:00:00Z',
    '2026-05-01T25:00:00Z',
    '2026-05-01T10:00:00+99:00',
    '2026-05-01T10:00:00Zulu',
  ]
  for (const value of [...texts, 0, 1_777_629_600_000, null, undefined, {}, []])
    t.equal(readTimestamp(value), null, JSON.stringify(value))
})

t.test(
  'contract 6: a position is both coordinates in range, as numbers, and no wearable at 0,0',
  async (t) => {
    fc.assert(
      fc.property(fc.double(), fc.double(), (latitude, longitude) => {
        const isInRange = Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180
        return (readPosition({ latitude, longitude }) !== null) === isInRange
      }),
    )
    t.same(readPosition({ latitude: 1, longitude: 2, altitude: Infinity }), { latitude: 1, longitude: 2 })
    t.equal(readPosition({ latitude: 0, longitude: 0, identitySource: 'ble_node' }), null)
    t.same(readPosition({ latitude: 0, longitude: 0.1, identitySource: 'ble_node' }), {
      latitude: 0,
      longitude: 0.1,
    })
  },
)

t.test('contract 4: a payload names its own user in either form, encoded or not, or nobody', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (externalUserId) => {
      const user = createUser({ appId: 'demo-app', externalUserId })
      return [user.userId, externalUserId, encodeAsDart(externalUserId), undefined, null, '', '  '].every(
        (name) => !namesOther(user, name),
      )
    }),
  )
  const alice = createUser({ appId: 'demo-app', externalUserId: 'alice' })
  const numeric = createUser({ appId: 'demo-app', externalUserId: '42' })
  for (const name of ['bob', 'Alice', alice.userId.toUpperCase(), 42, {}, ['bob'], true])
    t.equal(namesOther(alice, name), true, JSON.stringify(name))
  t.equal(namesOther(numeric, 42), false, 'some write a number')
})

t.test('contract 4: a userId that is no text names somebody else and never throws', async (t) => {
  const alice = createUser({ appId: 'demo-app', externalUserId: 'alice' })
  for (const json of ['{"toString":1}', '[{"toString":1}]', '{"toString":1,"valueOf":1}'])
    t.equal(namesOther(alice, JSON.parse(json)), true, json)
})

t.test('contract 10: a device id is text of 1 to 128 characters, or a whole number in decimal', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffffff }), (nodeId) => readDeviceId(nodeId) === String(nodeId)),
  )
  fc.assert(
    fc.property(fc.anything(), (value) => {
      const id = readDeviceId(value)
      return id === undefined || (typeof id === 'string' && id.length > 0 && id.length <= 128)
    }),
  )
  t.equal(readDeviceId('x'.repeat(128)), 'x'.repeat(128))
  t.equal(readDeviceId('x'.repeat(129)), undefined)
})

t.test(
  'design 4: no bytes whatever make an SOS unreadable: there is always a report with a time',
  async (t) => {
    const anyPayload = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((json) => Buffer.from(json)),
      fc.json({ noUnicodeString: false }).map((json) => Buffer.from(json, 'utf16le')),
      fc
        .dictionary(
          fc.constantFrom(
            'timestamp',
            'latitude',
            'longitude',
            'altitude',
            'deviceId',
            'message',
            'userId',
            '__proto__',
          ),
          fc.jsonValue(),
        )
        .map((fields) => Buffer.from(JSON.stringify(fields))),
    )
    fc.assert(
      fc.property(anyPayload, (payload) => {
        const { report } = readSosReport(payload, now)
        const isReadable = readJsonObject(payload) !== null
        const position = report.position
        return (
          readTimestamp(report.timestamp) !== null &&
          (report.raw === undefined) === isReadable &&
          (position === undefined ||
            (Math.abs(position.latitude) <= 90 && Math.abs(position.longitude) <= 180))
        )
      }),
      { numRuns: 1_000 },
    )
    t.match(readSosReport(Buffer.alloc(0), now), {
      report: { timestamp: now.toISOString(), raw: '' },
      oddities: ['unreadable-payload', 'no-usable-timestamp'],
    })
  },
)

t.test(
  'contract 3: where a stray quote breaks the JSON, position and time are salvaged as they were',
  async (t) => {
    const salvage = (latitude: number, longitude: number) => {
      const json = JSON.stringify({
        message: 'a " b',
        timestamp: '2026-05-01T10:00:00.123Z',
        latitude,
        longitude,
      })
      return readSosReport(Buffer.from(json.replaceAll('\\"', '"')), now).report
    }
    const coordinate = (limit: number) => fc.integer({ min: -limit * 1e4, max: limit * 1e4 })
    fc.assert(
      fc.property(coordinate(90), coordinate(180), (y, x) => {
        const { timestamp, position } = salvage(y / 1e4, x / 1e4)
        return (
          timestamp === '2026-05-01T10:00:00.123Z' &&
          position?.latitude === y / 1e4 &&
          position.longitude === x / 1e4
        )
      }),
    )
    t.match(salvage(-41.4, 2.25), { position: { latitude: -41.4, longitude: 2.25 } })
  },
)

t.test(
  'contract 5: a number that was not read whole is no coordinate: a wrong place is worse than none',
  async (t) => {
    const double = (limit: number) => fc.double({ min: -limit, max: limit, noNaN: true })
    fc.assert(
      fc.property(double(90), double(180), (latitude, longitude) => {
        const json = `{"message":"a " b",${JSON.stringify({ latitude, longitude }).slice(1)}`
        const { position } = readSosReport(Buffer.from(json), now).report
        return position === undefined || (position.latitude === latitude && position.longitude === longitude)
      }),
      { examples: [[5e-7, 2.2]] },
    )
    for (const tail of ['"longitude":2', '"longitude":2.', '"longitude":-', '"longitude":2e']) {
      const { report } = readSosReport(Buffer.from(`{"latitude":41.4,${tail}`), now)
      t.equal(report.position, undefined, `the payload ends behind ${tail}`)
    }
  },
)
