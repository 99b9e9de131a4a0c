import t from 'tap'
import { startBroker } from '../support/broker.js'
import { checkRowsAfterLogin } from '../support/byte-table.js'
import type { Row } from '../support/byte-table.js'
import { connect, field, hex, packet, uint16 } from '../support/packet-bytes.js'

const broker = await startBroker(t, { env: { LOG_LEVEL: 'debug' } })
const user = broker.credentials('u')
const id = uint16(7)
const own = field('sos/events/u')
const position = Buffer.from(
  '{"timestamp":"2026-05-01T10:00:00Z","latitude":41.4,"longitude":2.2,"altitude":0}',
)
const ends = (breaks: string, rows: [title: string, bytes: Buffer][]): Row[] =>
  rows.map(([title, bytes]) => ({ title: `${title} ends the connection without an answer`, bytes, breaks }))
const lives = (rows: [title: string, bytes: Buffer, ...answers: string[]][]): Row[] =>
  rows.map(([title, bytes, ...answers]) => ({ title, bytes, answers }))

await t.test('PUBLISH', (t) =>
  checkRowsAfterLogin(t, broker, user, 4, [
    ...lives([
      ['QoS 0 gets no answer', packet(0x30, field('tel/data'), position)],
      ['[MQTT-4.3.2-2] QoS 1 gets PUBACK', packet(0x32, field('tel/data'), id, position), 'PUBACK 7'],
      ['QoS 1 with DUP gets PUBACK', packet(0x3a, field('tel/data'), id, position), 'PUBACK 7'],
      ['[MQTT-4.3.3-2] QoS 2 gets PUBREC', packet(0x34, field('tel/data'), id, position), 'PUBREC 7'],
      ['QoS 2 with DUP gets PUBREC', packet(0x3c, field('tel/data'), id, position), 'PUBREC 7'],
      [
        'packet identifier 65535 is one',
        packet(0x32, field('tel/data'), uint16(65_535), position),
        'PUBACK 65535',
      ],
      ['an empty payload is acknowledged', packet(0x32, field('tel/data'), id), 'PUBACK 7'],
    ]),
    ...ends('MQTT-3.3.1-2', [['DUP with QoS 0', packet(0x38, field('tel/data'), position)]]),
    ...ends('MQTT-3.3.1-4', [
      ['QoS 3', packet(0x36, field('tel/data'), id, position)],
      ['QoS 3 with DUP', packet(0x3e, field('tel/data'), id, position)],
    ]),
    ...ends('MQTT-2.3.1-1', [
      ['packet identifier 0 with QoS 1', packet(0x32, field('tel/data'), uint16(0), position)],
      ['packet identifier 0 with QoS 2', packet(0x34, field('tel/data'), uint16(0), position)],
    ]),
    ...ends('MQTT-4.7.3-1', [['an empty topic name', packet(0x32, field(''), id, position)]]),
    ...ends(
      'MQTT-3.3.2-2',
      ['tel/+/data', 'sos/alerts/#', '+', '#', 'tel/a+/data', 'sos/al#erts'].map((topic) => [
        `a wildcard in the topic name (${topic})`,
        packet(0x32, field(topic), id, position),
      ]),
    ),
    ...ends('MQTT 2.2.3', [
      ['a topic name longer than the packet', packet(0x30, hex('0009'), Buffer.from('tel/data'))],
      ['a PUBLISH of one byte', packet(0x30, hex('00'))],
      ['a PUBLISH of no byte', packet(0x30)],
      ['QoS 1 without a packet identifier', packet(0x32, field('tel/data'))],
      ['QoS 1 with half a packet identifier', packet(0x32, field('tel/data'), hex('00'))],
    ]),
  ]),
)

await t.test('PUBACK, PUBREC, PUBREL and PUBCOMP', (t) =>
  checkRowsAfterLogin(t, broker, user, 4, [
    ...lives([
      ['a PUBACK for nothing is passed over', packet(0x40, id)],
      ['a PUBREC for nothing is released', packet(0x50, id), 'PUBREL 7'],
      ['a PUBREL for nothing is completed', packet(0x62, id), 'PUBCOMP 7'],
      ['a PUBCOMP for nothing is passed over', packet(0x70, id)],
    ]),
    ...[0x40, 0x50, 0x62, 0x70].flatMap((first) => [
      ...ends('MQTT-2.3.1-1', [[`packet identifier 0 in ${name(first)}`, packet(first, uint16(0))]]),
      ...ends('MQTT 2.2.3', [
        [`a byte behind ${name(first)}`, packet(first, id, hex('00'))],
        [`half a packet identifier in ${name(first)}`, packet(first, hex('07'))],
        [`no packet identifier in ${name(first)}`, packet(first)],
      ]),
    ]),
    ...ends(
      'MQTT-2.2.2-2',
      [
        0x41, 0x42, 0x44, 0x48, 0x51, 0x52, 0x54, 0x58, 0x60, 0x61, 0x63, 0x64, 0x6a, 0x71, 0x72, 0x74, 0x78,
      ].map((first) => [`${name(first)} with first byte ${name(first, true)}`, packet(first, id)]),
    ),
  ]),
)

await t.test('SUBSCRIBE', (t) =>
  checkRowsAfterLogin(t, broker, user, 4, [
    ...lives([
      ['QoS 0 is granted', packet(0x82, id, own, hex('00')), 'SUBACK 7: 00'],
      ['QoS 1 is granted', packet(0x82, id, own, hex('01')), 'SUBACK 7: 01'],
      ['QoS 2 is granted', packet(0x82, id, own, hex('02')), 'SUBACK 7: 02'],
      [
        '[MQTT-3.8.4-5] each of two filters gets its return code',
        packet(0x82, id, field('sos/events/x'), hex('01'), own, hex('01')),
        'SUBACK 7: 80 01',
      ],
      ...['+', '#', '/', '//', 'sos/+/u', 'sos/#', '+/+', '$SYS/#', '$share/g/sos/events/u'].map(
        (filter): [string, Buffer, string] => [
          `contract 3: the well-formed filter ${filter} is refused and the connection lives`,
          packet(0x82, id, field(filter), hex('01')),
          'SUBACK 7: 80',
        ],
      ),
    ]),
    ...ends('MQTT-3.8.3-3', [['SUBSCRIBE without a filter', packet(0x82, id)]]),
    ...ends('MQTT-2.3.1-1', [['packet identifier 0', packet(0x82, uint16(0), own, hex('01'))]]),
    ...ends('MQTT-3-8.3-4', [
      ...[0x03, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x81, 0xff].map((qos): [string, Buffer] => [
        `requested QoS ${name(qos, true)}`,
        packet(0x82, id, own, Buffer.from([qos])),
      ]),
      ['a bad QoS behind a good one', packet(0x82, id, own, hex('01'), own, hex('03'))],
    ]),
    ...ends(
      'MQTT-4.7.1-2',
      ['sos/#/u', '#/', 'sos#', 'sos/events#', 'sos/#events', '##'].map((filter) => [
        `the filter ${filter}`,
        packet(0x82, id, field(filter), hex('01')),
      ]),
    ),
    ...ends(
      'MQTT-4.7.1-3',
      ['sos+', '+sos', 'sos/u+/x', '++', 'sos/+u'].map((filter) => [
        `the filter ${filter}`,
        packet(0x82, id, field(filter), hex('01')),
      ]),
    ),
    ...ends('MQTT-4.7.3-1', [
      ['an empty filter', packet(0x82, id, field(''), hex('01'))],
      ['an empty filter behind a good one', packet(0x82, id, own, hex('01'), field(''), hex('01'))],
    ]),
    ...ends('MQTT 2.2.3', [
      ['a filter without a QoS', packet(0x82, id, own)],
      ['a filter longer than the packet', packet(0x82, id, hex('000d'), Buffer.from('sos/events/u'))],
      ['half a packet identifier', packet(0x82, hex('07'))],
      ['a byte behind the last QoS', packet(0x82, id, own, hex('01 00'))],
    ]),
    ...ends(
      'MQTT-2.2.2-2',
      [0x80, 0x81, 0x83, 0x84, 0x86, 0x8a].map((first) => [
        `SUBSCRIBE with first byte ${name(first, true)}`,
        packet(first, id, own, hex('01')),
      ]),
    ),
  ]),
)

await t.test('UNSUBSCRIBE', (t) =>
  checkRowsAfterLogin(t, broker, user, 4, [
    ...lives([
      ['[MQTT-3.10.4-5] a filter without a subscription gets UNSUBACK', packet(0xa2, id, own), 'UNSUBACK 7:'],
      ['two filters get one UNSUBACK', packet(0xa2, id, own, field('sos/#')), 'UNSUBACK 7:'],
    ]),
    ...ends('MQTT-3.10.3-2', [['UNSUBSCRIBE without a filter', packet(0xa2, id)]]),
    ...ends('MQTT-2.3.1-1', [['packet identifier 0', packet(0xa2, uint16(0), own)]]),
    ...ends('MQTT-4.7.3-1', [['an empty filter', packet(0xa2, id, field(''))]]),
    ...ends('MQTT-4.7.1-2', [['the filter sos/#/u', packet(0xa2, id, field('sos/#/u'))]]),
    ...ends('MQTT-4.7.1-3', [['the filter sos+', packet(0xa2, id, field('sos+'))]]),
    ...ends('MQTT 2.2.3', [
      ['a filter longer than the packet', packet(0xa2, id, hex('000d'), Buffer.from('sos/events/u'))],
      ['a byte behind the last filter', packet(0xa2, id, own, hex('00'))],
    ]),
    ...ends(
      'MQTT-2.2.2-2',
      [0xa0, 0xa1, 0xa3, 0xa4, 0xa6, 0xaa].map((first) => [
        `UNSUBSCRIBE with first byte ${name(first, true)}`,
        packet(first, id, own),
      ]),
    ),
  ]),
)

await t.test('PINGREQ, DISCONNECT and what no client sends', (t) =>
  checkRowsAfterLogin(t, broker, user, 4, [
    ...lives([['[MQTT-3.12.4-1] PINGREQ gets PINGRESP', hex('c0 00'), 'PINGRESP']]),
    ...ends('MQTT 3.12', [['a byte behind PINGREQ', hex('c0 01 00')]]),
    ...ends('MQTT 3.14', [['a byte behind DISCONNECT', hex('e0 01 00')]]),
    ...ends(
      'MQTT-2.2.2-2',
      [0xc1, 0xc2, 0xc4, 0xc8, 0xe1, 0xe2, 0xe4, 0xe8].map((first) => [
        `${name(first)} with first byte ${name(first, true)}`,
        packet(first),
      ]),
    ),
    ...ends('MQTT-3.1.0-2', [['a second CONNECT', connect(user)]]),
    ...ends(
      'MQTT 2.2.1',
      ['00 00', '20 02 0000', '90 03 0007 00', 'b0 02 0007', 'd0 00', 'f0 00'].map((bytes) => [
        `packet 0x${bytes.slice(0, 2)}, which no client sends,`,
        hex(bytes),
      ]),
    ),
    ...ends('MQTT 2.2.3', [['a Remaining Length of five bytes', hex('c0 80808080 01')]]),
  ]),
)

await t.test('MQTT 3.1 sets DUP on what it sends again', (t) =>
  checkRowsAfterLogin(t, broker, user, 3, [
    ...lives([
      ['SUBSCRIBE with DUP is granted', packet(0x8a, id, own, hex('01')), 'SUBACK 7: 01'],
      ['UNSUBSCRIBE with DUP is answered', packet(0xaa, id, own), 'UNSUBACK 7:'],
      ['PUBREL with DUP is completed', packet(0x6a, id), 'PUBCOMP 7'],
      [
        'PUBLISH of QoS 1 with DUP is acknowledged',
        packet(0x3a, field('tel/data'), id, position),
        'PUBACK 7',
      ],
    ]),
    ...ends('MQTT-2.2.2-2', [
      ['SUBSCRIBE with QoS 0', packet(0x80, id, own, hex('01'))],
      ['SUBSCRIBE with QoS 2', packet(0x84, id, own, hex('01'))],
      ['PINGREQ with DUP', hex('c8 00')],
    ]),
    ...ends('MQTT-3.3.1-4', [['QoS 3', packet(0x36, field('tel/data'), id, position)]]),
    ...ends('MQTT-2.3.1-1', [['packet identifier 0', packet(0x32, field('tel/data'), uint16(0), position)]]),
  ]),
)

function name(first: number, isNumber = false): string {
  const names: Record<number, string> = { 4: 'PUBACK', 5: 'PUBREC', 6: 'PUBREL', 7: 'PUBCOMP', 12: 'PINGREQ' }
  return isNumber ? `0x${first.toString(16).padStart(2, '0')}` : (names[first >> 4] ?? 'DISCONNECT')
}
