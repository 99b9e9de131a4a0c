import t from 'tap'
import { startBroker } from '../support/broker.js'
import { checkRowsAfterLogin, checkRowsBeforeLogin } from '../support/byte-table.js'
import type { Row } from '../support/byte-table.js'
import {
  connect,
  connectBody,
  field,
  hex,
  packet,
  properties,
  uint16,
  varint,
} from '../support/packet-bytes.js'

const broker = await startBroker(t, { env: { LOG_LEVEL: 'debug', PACKET_BYTES_MAX: '20000' } })
const user = broker.credentials('u')
const id = uint16(7)

/** A CONNECT of exactly `bytes` bytes: its client identifier fills it. */
function connectOf(bytes: number, level: 4 | 5): Buffer {
  const empty = connectBody(user, { level, clientId: '' }).length
  const whole = connect(user, { level, clientId: 'i'.repeat(bytes - empty - 3) })
  if (whole.length !== bytes) throw new Error(`made ${whole.length} bytes`)
  return whole
}

/** A telemetry PUBLISH of exactly `bytes` bytes. */
function publishOf(bytes: number, level: 4 | 5): Buffer {
  const head = [field('tel/data'), id, level === 5 ? properties() : Buffer.alloc(0)]
  const json = Buffer.from('{"note":""}')
  const room = bytes - 4 - Buffer.concat([...head, json]).length
  const whole = packet(0x32, ...head, Buffer.from(`{"note":"${'n'.repeat(room)}"}`))
  if (whole.length !== bytes) throw new Error(`made ${whole.length} bytes`)
  return whole
}

for (const version of [4, 5] as const) {
  const none = version === 5 ? properties() : Buffer.alloc(0)
  const subscribe = (filter: string) => packet(0x82, id, none, field(filter), hex('01'))
  const unsubscribe = (filter: string) => packet(0xa2, id, none, field(filter))
  const publish = (topic: string) => packet(0x32, field(topic), id, none, hex('7b7d'))
  const refusedFilter = version === 5 ? 'SUBACK 7: 87' : 'SUBACK 7: 80'
  const over = (title: string, bytes: Buffer, reason: string): Row => ({
    title: `version ${version}: ${title}`,
    bytes,
    breaks: 'limit',
    answers: version === 5 ? [reason] : [],
  })
  const within = (title: string, bytes: Buffer, ...answers: string[]): Row => ({
    title: `version ${version}: ${title}`,
    bytes,
    answers,
  })
  const levels = (count: number) => Array.from({ length: count }, () => 'l').join('/')

  await t.test(`before CONNECT, version ${version}`, (t) =>
    checkRowsBeforeLogin(t, broker, version, [
      within(
        'a CONNECT of 4 KiB is read',
        connectOf(4_096, version),
        version === 5 ? 'CONNACK 0x00' : 'CONNACK 0',
      ),
      // Its length is known before its version is, so there is nobody to answer.
      { ...over('a CONNECT of one byte more is closed', connectOf(4_097, version), ''), answers: [] },
      { ...over('the announcement of 256 MB is enough', hex('10 ffffff7f'), ''), answers: [] },
      { ...over('the announcement of 4 KiB + 1 is enough', hex('10 fe1f 0004'), ''), answers: [] },
    ]),
  )

  await t.test(`after CONNECT, version ${version}`, (t) =>
    checkRowsAfterLogin(t, broker, user, version, [
      within('a packet of PACKET_BYTES_MAX is taken', publishOf(20_000, version), 'PUBACK 7'),
      over('a packet of one byte more ends the connection', publishOf(20_001, version), 'DISCONNECT 0x95'),
      over('the announcement of 256 MB is enough', hex('30 ffffff7f'), 'DISCONNECT 0x95'),
      over(
        'the announcement of one byte too many is enough',
        Buffer.concat([hex('32'), varint(19_997)]),
        'DISCONNECT 0x95',
      ),
      within('a filter of 10 levels is looked at', subscribe(levels(10)), refusedFilter),
      over('a filter of 11 levels ends the connection', subscribe(levels(11)), 'DISCONNECT 0x8f'),
      over('a filter of 11 empty levels ends the connection', subscribe('/'.repeat(10)), 'DISCONNECT 0x8f'),
      within('a filter of 255 bytes is looked at', subscribe('é'.repeat(127) + 'e'), refusedFilter),
      over('a filter of 256 bytes ends the connection', subscribe('é'.repeat(128)), 'DISCONNECT 0x8f'),
      within(
        'UNSUBSCRIBE: a filter of 10 levels is answered',
        unsubscribe(levels(10)),
        version === 5 ? 'UNSUBACK 7: 11' : 'UNSUBACK 7:',
      ),
      over(
        'UNSUBSCRIBE: a filter of 11 levels ends the connection',
        unsubscribe(levels(11)),
        'DISCONNECT 0x8f',
      ),
      over('UNSUBSCRIBE: a filter of 256 bytes too', unsubscribe('f'.repeat(256)), 'DISCONNECT 0x8f'),
      over('a topic name of 11 levels ends the connection', publish(levels(11)), 'DISCONNECT 0x90'),
      over('a topic name of 256 bytes ends the connection', publish('t'.repeat(256)), 'DISCONNECT 0x90'),
      ...(version === 5
        ? [
            within('a topic name of 10 levels is looked at', publish(levels(10)), 'PUBACK 7 0x87'),
            within('a topic name of 255 bytes is looked at', publish('t'.repeat(255)), 'PUBACK 7 0x87'),
          ]
        : []),
    ]),
  )
}

await t.test('3.1.1: an external id whose topics have just 255 bytes is served', async (t) => {
  const long = broker.credentials('x'.repeat(255 - 'sos/events/'.length))
  await checkRowsAfterLogin(t, broker, long, 4, [
    {
      title: 'its events can be subscribed',
      bytes: packet(0x82, id, field(`sos/events/${long.externalUserId}`), hex('01')),
      answers: ['SUBACK 7: 01'],
    },
    {
      title: 'its telemetry is taken',
      bytes: packet(0x32, field(`tel/${long.externalUserId}/data`), id, hex('7b7d')),
      answers: ['PUBACK 7'],
    },
  ])
})
