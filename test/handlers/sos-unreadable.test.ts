import { createHash } from 'node:crypto'
import t from 'tap'
import type { Incident } from '../../store/store.js'
import { startBroker } from '../support/broker.js'
import { connectPhone } from '../support/phone.js'
import type { Version } from '../support/phone.js'
import { startRedis } from '../support/redis.js'
import { openOtherNode, openStoreOf } from '../support/stored.js'

const TIMESTAMP = '2026-05-01T10:00:00.123Z'

/** As the Dart client writes text: units up to 255 as one byte, larger ones as two, little-endian. */
function encodeAsDartWrites(text: string): Buffer {
  const bytes: number[] = []
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    bytes.push(unit & 0xff)
    if (unit > 255) bytes.push(unit >> 8)
  }
  return Buffer.from(bytes)
}

// U+2022 becomes the bytes of `" ` and so ends the JSON string early.
const bullet = `{"timestamp":"${TIMESTAMP}","latitude":41.4,"longitude":2.2,"altitude":12.5,"message":"• help • me","deviceId":"CF:82:00:00:00:01"}`
const POSITION = { latitude: 41.4, longitude: 2.2, altitude: 12.5 }

const CASES: [what: string, payload: Buffer, report: Record<string, unknown>][] = [
  ['nothing', Buffer.alloc(0), { position: undefined }],
  ['blanks', Buffer.from('  \n'), { position: undefined }],
  ['noise', createHash('sha512').update('noise').digest(), {}],
  ['4 KiB of NUL', Buffer.alloc(4_096), { position: undefined }],
  ['a JSON array', Buffer.from('[1,2,3]'), { position: undefined }],
  ['a JSON string', Buffer.from('"help"'), { position: undefined }],
  ['a JSON number', Buffer.from('42'), { position: undefined }],
  ['null', Buffer.from('null'), { position: undefined }],
  ['plain text', Buffer.from('help me'), { position: undefined }],
  [
    'a report in an array',
    Buffer.from(`[${JSON.stringify({ timestamp: TIMESTAMP, ...POSITION })}]`),
    { timestamp: TIMESTAMP, position: POSITION },
  ],
  [
    'UTF-16LE mixed into the JSON',
    encodeAsDartWrites(bullet),
    {
      timestamp: TIMESTAMP,
      position: POSITION,
      positionAt: TIMESTAMP,
      fields: { deviceId: 'CF:82:00:00:00:01' },
    },
  ],
  [
    'JSON cut off behind a comma',
    Buffer.from(`{"latitude":41.4,"longitude":2.2,"altitude":12.5,"timestamp":"${TIMESTAMP}",`),
    { timestamp: TIMESTAMP, position: POSITION },
  ],
  [
    'a bare quote in the message',
    Buffer.from(
      `{"message":"he said "go"","timestamp":"${TIMESTAMP}","latitude":41.4,"longitude":2.2,"altitude":12.5}`,
    ),
    { timestamp: TIMESTAMP, position: POSITION },
  ],
  [
    'NaN where a number belongs',
    Buffer.from(`{"timestamp":"${TIMESTAMP}","latitude":NaN,"longitude":2.2}`),
    { timestamp: TIMESTAMP, position: undefined },
  ],
  [
    'coordinates out of range in broken JSON',
    Buffer.from(`{"timestamp":"${TIMESTAMP}","latitude":141.4,"longitude":2.2,`),
    { timestamp: TIMESTAMP, position: undefined },
  ],
]

for (const store of ['embedded', 'redis']) {
  t.test(`with the ${store} store`, async (t) => {
    const redis = store === 'redis' ? await startRedis(t) : null
    const broker = await startBroker(t, { env: redis ? { REDIS_URL: redis.url } : {} })
    const phones = new Map<string, Awaited<ReturnType<typeof connectPhone>>>()

    for (const [i, [what, payload]] of CASES.entries()) {
      const version: Version = i % 2 === 0 ? 4 : 5
      t.test(`design 4: an SOS of ${what} from a valid user is raised, version ${version}`, async (t) => {
        const phone = await connectPhone(t, broker.ports.mqtt, broker.credentials(what), { version })
        phones.set(what, phone)
        await phone.subscribe(phone.uuidTopic)
        t.equal(await phone.publish(`sos/alerts/${phone.user.userId}`, payload), 0)
        t.match((await phone.nextEvent()).event, { type: 'processed', status: 'active', snapshotVersion: 1 })
        const line = await broker.logged(
          ({ msg, userId }) => msg === 'sos stored' && userId === phone.user.userId,
        )
        t.match(line, { notes: ['unreadable-payload'] })
      })
    }

    t.test('design 4: with what could be read of it, and its raw bytes', async (t) => {
      const { incidents } = redis ? await openOtherNode(t, redis.url) : await openStoreOf(t, broker)
      for (const [what, payload, report] of CASES) {
        const { user } = phones.get(what) as Awaited<ReturnType<typeof connectPhone>>
        const incident = (await incidents.readOpen(user)) as Incident
        t.match(incident.report, report, what)
        t.equal(incident.report.raw, payload.toString('base64'), `${what}: the bytes`)
      }
      t.notMatch(JSON.stringify(broker.log), /he said|help me/, 'no payload in the log')
    })
  })
}
