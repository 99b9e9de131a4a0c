import * as fc from 'fast-check'
import t from 'tap'
import { createUser } from '../../auth/identity.js'
import { encodeWireEvent } from '../../handlers/wire-event.js'
import {
  decodeText,
  hasBadPosition,
  namesOther,
  readDeviceId,
  readJsonObject,
  readPosition,
  readText,
  readTimestamp,
} from '../../handlers/payload.js'
import { readSosReport } from '../../handlers/sos-report.js'
import { startBroker } from '../support/broker.js'
import { logIn } from '../support/raw-client.js'
import { stopAndRead } from '../support/stopped-store.js'
import { publishBytes } from '../support/wire-packets.js'

/** `FUZZ_SEED=1 node dist/test/gate/fuzz-payloads.test.js` repeats a run. */
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 1_000_000_000))
const RUNS = 5_000
const NOW = new Date('2026-05-01T10:00:00.000Z')
const USER = createUser({ appId: 'demo-app', externalUserId: 'alice' })
const PACKET_BYTES = 65_536

const FIELDS = [
  'timestamp',
  'userId',
  'latitude',
  'longitude',
  'altitude',
  'deviceId',
  'hardwareId',
  'triggerSource',
  'source',
  'message',
  'identitySource',
  '__proto__',
  'constructor',
]
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom('2026-05-01T10:00:00Z', '2026-02-30T10:00:00Z', '9999-12-31 23:59:59,999999999+99:99', ''),
  fc.double(),
  fc.record({ toString: fc.integer(), valueOf: fc.integer() }),
)
/** JSON text whose fields are ours with any values. */
const report = fc.dictionary(fc.constantFrom(...FIELDS), value).map((object) => JSON.stringify(object))
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  report.map((json) => Buffer.from(json)),
  report.map((json) => Buffer.from(json, 'latin1')),
  fc.tuple(report, fc.nat(), fc.nat(255)).map(([json, at, byte]) => {
    const bytes = Buffer.from(json)
    bytes[at % bytes.length] = byte
    return bytes
  }),
  fc.tuple(report, fc.nat()).map(([json, at]) => Buffer.from(json).subarray(0, at % json.length)),
)

t.test(`contract 3: no payload makes a reader throw (FUZZ_SEED=${seed})`, async (t) => {
  let read = 0
  fc.assert(
    fc.property(payload, (bytes) => {
      const result = readSosReport(bytes, NOW)
      const { position, timestamp, reportKey } = result.report
      read++
      // Whatever came in, what comes out can be kept, sent and trusted.
      const event = { ...USER, eventId: 'e', type: 'processed', incidentId: 'i', status: 'active' } as const
      const wire = encodeWireEvent({ ...event, version: 1, at: timestamp, report: result.report }, 'uuid')
      return (
        !Number.isNaN(Date.parse(timestamp.replace(',', '.'))) &&
        (reportKey === undefined || /^-?\d+$/.test(reportKey)) &&
        (!position || (Math.abs(position.latitude) <= 90 && Math.abs(position.longitude) <= 180)) &&
        typeof JSON.stringify(result.report) === 'string' &&
        // oxlint-disable-next-line no-control-regex -- pure ASCII is meant
        /^[\u0000-\u007e]*$/.test(wire)
      )
    }),
    { seed, numRuns: RUNS },
  )
  t.equal(read, RUNS)
})

t.test(`no value makes a field reader throw (FUZZ_SEED=${seed})`, async (t) => {
  const readers = [readTimestamp, readDeviceId, (any: unknown) => readText(any, 64)]
  for (const readField of readers)
    fc.assert(
      fc.property(value, (any) => void readField(any)),
      { seed },
    )
  fc.assert(
    fc.property(payload, (bytes) => {
      const json = readJsonObject(bytes) ?? {}
      readPosition(json)
      hasBadPosition(json)
      return decodeText(bytes).length <= bytes.length
    }),
    { seed, numRuns: RUNS },
  )
  t.pass('none did')
})

t.test(`contract 4: no userId of a payload makes the comparison throw (FUZZ_SEED=${seed})`, async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(value, (userId) => typeof namesOther(USER, userId) === 'boolean'),
      { seed, numRuns: RUNS },
    ),
  )
})

t.test('64 KiB that provoke backtracking are read in time proportional to their length', async (t) => {
  const units = [
    '"timestamp"        :        "',
    '"latitude":-1234567890.',
    '"userId" : "' + 'a'.repeat(255),
    '"timestamp"',
    '"',
    ' ',
    '"deviceId":"\\',
    '\u00e9"message":',
  ]
  for (const unit of units) {
    const fill = (length: number) =>
      Buffer.from(unit.repeat(Math.ceil(length / unit.length)).slice(0, length))
    const bytes = fill(PACKET_BYTES)
    // The same work in sixteen parts: what is linear costs about as much, what is quadratic sixteen times more.
    const part = fill(PACKET_BYTES / 16)
    readSosReport(part, NOW) // compiles the regular expression
    const inParts = costOf(() => {
      for (let i = 0; i < 16; i++) readSosReport(part, NOW)
    })
    const asOne = costOf(() => void readSosReport(bytes, NOW))
    t.ok(asOne < 8 * inParts + 5, `${JSON.stringify(unit.slice(0, 20))}: ${asOne} against ${inParts} ms`)
    t.ok(readSosReport(bytes, NOW).oddities.includes('unreadable-payload'))
  }
})

/** Milliseconds of this process's own work, whatever else the machine does; the least of five. */
function costOf(work: () => void): number {
  const costs = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1_000
  })
  return Math.min(...costs)
}

t.test('contract 3: an SOS is stored and answered whatever JSON it holds', async (t) => {
  const broker = await startBroker(t)
  const depth = 20_000
  const payloads: Record<string, string> = {
    'userId without a string form': '{"timestamp":"2026-05-01T10:00:00Z","userId":{"toString":1}}',
    'deeply nested userId': `{"timestamp":"2026-05-01T10:00:00Z","userId":${'['.repeat(depth)}${']'.repeat(depth)}}`,
    'deeply nested unknown field': `{"timestamp":"2026-05-01T10:00:00Z","x":${'['.repeat(depth)}${']'.repeat(depth)}}`,
    'deeply nested message': `{"timestamp":"2026-05-01T10:00:00Z","message":${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}}`,
    'deeply nested without an object around it': '['.repeat(60_000),
    '60 KB of one string': JSON.stringify({ timestamp: '2026-05-01T10:00:00Z', x: 'é'.repeat(30_000) }),
    'numbers beyond every range': '{"timestamp":1e999,"latitude":1e999,"longitude":-1e999,"altitude":1e400}',
    'field names of Object': '{"__proto__":{"x":1},"constructor":{"prototype":1},"hasOwnProperty":1}',
    'half a surrogate': '{"timestamp":"2026-05-01T10:00:00Z","message":"\\ud800","x":"\\udfff"}',
  }
  for (const [name, json] of Object.entries(payloads)) {
    const client = await logIn(t, broker.ports.mqtt, broker.credentials(name))
    client.send(publishBytes('sos/alerts', json, { messageId: 7 }))
    const answer = await client.next().catch(() => ({ cmd: 'closed' }))
    t.match(answer, { cmd: 'puback', messageId: 7 }, `PUBACK: ${name}`)
  }
  const stored = await stopAndRead(broker)
  for (const name of Object.keys(payloads)) t.equal(stored.openIncident(name)?.reports, 1, `stored: ${name}`)
})

t.test('design 4: telemetry whose userId has no string form is acknowledged', async (t) => {
  const broker = await startBroker(t)
  const client = await logIn(t, broker.ports.mqtt, broker.credentials('alice'))
  client.send(publishBytes('tel/data', '{"userId":{"toString":1}}', { messageId: 7 }))
  t.match(await client.next().catch(() => ({ cmd: 'closed' })), { cmd: 'puback', messageId: 7 })
})
