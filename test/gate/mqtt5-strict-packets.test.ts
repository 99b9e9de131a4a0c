import t from 'tap'
import { startBroker } from '../support/broker.js'
import { checkRowsAfterLogin } from '../support/byte-table.js'
import type { Row } from '../support/byte-table.js'
import { connect, field, hex, packet, properties, uint16 } from '../support/packet-bytes.js'

const broker = await startBroker(t, { env: { LOG_LEVEL: 'debug' } })
const user = broker.credentials('u')
const id = uint16(7)
const none = properties()
const own = field('sos/events/u')
const pair = Buffer.concat([hex('26'), field('k'), field('v')])
const publish = (block: Buffer, { first = 0x32, topic = 'tel/data' } = {}) =>
  packet(first, field(topic), first & 6 ? id : Buffer.alloc(0), block, Buffer.from('{}'))
const subscribe = (options: number, { filter = 'sos/events/u', block = none } = {}) =>
  packet(0x82, id, block, field(filter), Buffer.from([options]))

const ends = (breaks: string, code: number, rows: [title: string, bytes: Buffer][]): Row[] =>
  rows.map(([title, bytes]) => ({
    title: `${title} gets DISCONNECT 0x${code.toString(16)}`,
    bytes,
    breaks,
    answers: [`DISCONNECT 0x${code.toString(16)}`],
  }))
const lives = (rows: [title: string, bytes: Buffer, ...answers: string[]][]): Row[] =>
  rows.map(([title, bytes, ...answers]) => ({ title, bytes, answers }))

await t.test('PUBLISH', (t) =>
  checkRowsAfterLogin(t, broker, user, 5, [
    ...lives([
      ['QoS 1 without properties is acknowledged', publish(none), 'PUBACK 7'],
      ['Payload Format Indicator 0 is tolerated', publish(properties(hex('01 00'))), 'PUBACK 7'],
      ['Payload Format Indicator 1 is tolerated', publish(properties(hex('01 01'))), 'PUBACK 7'],
      ['Message Expiry Interval is tolerated', publish(properties(hex('02 0000003c'))), 'PUBACK 7'],
      ['Content Type is tolerated', publish(properties(hex('03'), field('application/json'))), 'PUBACK 7'],
      ['Response Topic is tolerated', publish(properties(hex('08'), field('answers'))), 'PUBACK 7'],
      ['Correlation Data with NUL is tolerated', publish(properties(hex('09 0002 0000'))), 'PUBACK 7'],
      ['the same User Property twice is tolerated', publish(properties(pair, pair)), 'PUBACK 7'],
      [
        'a property block of more than 127 bytes is read',
        publish(properties(hex('03'), field('x'.repeat(200)))),
        'PUBACK 7',
      ],
    ]),
    ...ends('MQTT-3.3.2-9', 0x94, [
      ['Topic Alias 1', publish(properties(hex('23 0001')))],
      ['Topic Alias 0', publish(properties(hex('23 0000')))],
      ['Topic Alias 1 in place of a topic name', publish(properties(hex('23 0001')), { topic: '' })],
    ]),
    ...ends('MQTT-4.7.3-1', 0x82, [['an empty topic name without an alias', publish(none, { topic: '' })]]),
    ...ends('MQTT-3.3.2-2', 0x90, [['a wildcard in the topic name', publish(none, { topic: 'tel/+/data' })]]),
    ...ends('MQTT-3.3.2-14', 0x82, [
      ['a wildcard in the Response Topic', publish(properties(hex('08 0001 2b')))],
    ]),
    ...ends('MQTT-3.3.1-4', 0x81, [['QoS 3', publish(none, { first: 0x36 })]]),
    ...ends('MQTT-3.3.1-2', 0x81, [['DUP with QoS 0', publish(none, { first: 0x38 })]]),
    ...ends('MQTT-2.3.1-1', 0x82, [
      ['packet identifier 0', packet(0x32, field('tel/data'), uint16(0), none)],
    ]),
    ...ends('MQTT5 2.2.2.2', 0x82, [
      ['Payload Format Indicator 2', publish(properties(hex('01 02')))],
      ['Payload Format Indicator twice', publish(properties(hex('01 01 01 01')))],
      ['Message Expiry Interval twice', publish(properties(hex('02 00000001 02 00000001')))],
      ['Content Type twice', publish(properties(hex('03 0001 78 03 0001 78')))],
      ['Response Topic twice', publish(properties(hex('08 0001 78 08 0001 78')))],
      ['Correlation Data twice', publish(properties(hex('09 0001 78 09 0001 78')))],
    ]),
    ...ends(
      'MQTT5 2.2.2.2',
      0x81,
      [
        '00',
        '0b 01',
        '11 00000001',
        '15 0001 78',
        '17 01',
        '1f 0001 78',
        '21 0001',
        '24 01',
        '27 00000001',
        '7f 00',
      ].map((one) => [
        `property 0x${one.slice(0, 2)}, which does not belong here,`,
        publish(properties(hex(one))),
      ]),
    ),
    ...ends('MQTT 2.2.3', 0x81, [
      ['a property block that passes the end', packet(0x32, field('tel/data'), id, hex('7f 01 01'))],
      ['no property length', packet(0x32, field('tel/data'), id)],
    ]),
    ...ends('MQTT-1.5.5-1', 0x81, [
      ['a property length of more bytes than it needs', publish(hex('8000'))],
      [
        'a Remaining Length of more bytes than it needs',
        Buffer.concat([hex('32 8f00'), field('tel/data'), id, none, hex('7b7d')]),
      ],
    ]),
    ...ends('MQTT-1.5.3-2', 0x81, [
      ['NUL in the Content Type', publish(properties(hex('03 0001 00')))],
      ['NUL in the Response Topic', publish(properties(hex('08 0001 00')))],
      ['NUL in a User Property', publish(properties(hex('26 0001 00 0001 61')))],
    ]),
  ]),
)

await t.test('SUBSCRIBE and UNSUBSCRIBE', (t) =>
  checkRowsAfterLogin(t, broker, user, 5, [
    ...lives([
      ['a User Property is tolerated', subscribe(0x01, { block: properties(pair, pair) }), 'SUBACK 7: 01'],
      ['No Local on an own topic is tolerated', subscribe(0x05), 'SUBACK 7: 01'],
      ['Retain Handling 1 is tolerated', subscribe(0x11), 'SUBACK 7: 01'],
      ['Retain Handling 2 is tolerated', subscribe(0x22), 'SUBACK 7: 02'],
      [
        'contract 3: a shared subscription is refused with 0x9E',
        subscribe(0x01, { filter: '$share/g/sos/events/u' }),
        'SUBACK 7: 9e',
      ],
      [
        'a User Property in UNSUBSCRIBE is tolerated',
        packet(0xa2, id, properties(pair), own),
        'UNSUBACK 7: 11',
      ],
    ]),
    ...ends('MQTT5 3.2.2.3.12', 0xa1, [
      ['a Subscription Identifier', subscribe(0x01, { block: properties(hex('0b 01')) })],
      ['a Subscription Identifier of four bytes', subscribe(0x01, { block: properties(hex('0b ffffff7f')) })],
    ]),
    ...ends('MQTT-3.8.3-4', 0x82, [
      ['No Local on a shared subscription', subscribe(0x05, { filter: '$share/g/sos/events/u' })],
    ]),
    ...ends('MQTT5 3.8.3.1', 0x82, [['Retain Handling 3', subscribe(0x31)]]),
    ...ends('MQTT-3.8.3-5', 0x81, [
      ['the reserved option 0x40', subscribe(0x41)],
      ['the reserved option 0x80', subscribe(0x81)],
    ]),
    ...ends('MQTT-3-8.3-4', 0x82, [['QoS 3', subscribe(0x03)]]),
    ...ends('MQTT-3.8.3-3', 0x82, [['SUBSCRIBE without a filter', packet(0x82, id, none)]]),
    ...ends('MQTT-3.10.3-2', 0x82, [['UNSUBSCRIBE without a filter', packet(0xa2, id, none)]]),
    ...ends('MQTT-2.3.1-1', 0x82, [
      ['SUBSCRIBE with packet identifier 0', packet(0x82, uint16(0), none, own, hex('01'))],
      ['UNSUBSCRIBE with packet identifier 0', packet(0xa2, uint16(0), none, own)],
    ]),
    ...ends('MQTT-4.7.1-2', 0x8f, [['the filter sos/#/u', subscribe(0x01, { filter: 'sos/#/u' })]]),
    ...ends('MQTT-4.7.1-3', 0x8f, [['the filter sos+', subscribe(0x01, { filter: 'sos+' })]]),
    ...ends('MQTT-4.7.3-1', 0x8f, [['an empty filter', subscribe(0x01, { filter: '' })]]),
    ...ends('MQTT-2.2.2-2', 0x81, [
      ['SUBSCRIBE with first byte 0x80', packet(0x80, id, none, own, hex('01'))],
      ['UNSUBSCRIBE with first byte 0xa0', packet(0xa0, id, none, own)],
    ]),
    ...ends('MQTT 2.2.3', 0x81, [['a filter without options', packet(0x82, id, none, own)]]),
    ...ends('MQTT5 2.2.2.2', 0x81, [
      ['Reason String in SUBSCRIBE', subscribe(0x01, { block: properties(hex('1f 0001 78')) })],
      ['Subscription Identifier in UNSUBSCRIBE', packet(0xa2, id, properties(hex('0b 01')), own)],
    ]),
  ]),
)

const ACKS = [
  { name: 'PUBACK', first: 0x40, good: 0x10, bad: 0x92, answers: [] },
  { name: 'PUBREC', first: 0x50, good: 0x00, bad: 0x92, answers: ['PUBREL 7 0x92'] },
  { name: 'PUBREL', first: 0x62, good: 0x92, bad: 0x87, answers: ['PUBCOMP 7 0x92'] },
  { name: 'PUBCOMP', first: 0x70, good: 0x92, bad: 0x10, answers: [] },
]
const reasonString = properties(hex('1f'), field('why'), pair, pair)
await t.test('PUBACK, PUBREC, PUBREL and PUBCOMP', (t) =>
  checkRowsAfterLogin(
    t,
    broker,
    user,
    5,
    ACKS.flatMap(({ name, first, good, bad, answers }) => [
      ...lives([
        [`${name} without a reason code is read`, packet(first, id), ...answers],
        [
          `${name} with reason code 0x${good.toString(16)} is read`,
          packet(first, id, Buffer.from([good])),
          ...answers,
        ],
        [
          `${name} with a reason string is read`,
          packet(first, id, Buffer.from([good]), reasonString),
          ...answers,
        ],
        [`${name} with property length 0 is read`, packet(first, id, Buffer.from([good]), none), ...answers],
      ]),
      ...ends('MQTT5 2.4', 0x82, [
        [`${name} with reason code 0x${bad.toString(16)}`, packet(first, id, Buffer.from([bad]))],
        [`${name} with reason code 0x01`, packet(first, id, hex('01'))],
        [`${name} with reason code 0xff`, packet(first, id, hex('ff'), none)],
      ]),
      ...ends('MQTT5 2.2.2.2', 0x82, [
        [
          `${name} with two reason strings`,
          packet(first, id, hex('00'), properties(hex('1f 0001 78 1f 0001 78'))),
        ],
      ]),
      ...ends('MQTT5 2.2.2.2', 0x81, [
        [
          `${name} with a property of another packet`,
          packet(first, id, hex('00'), properties(hex('11 00000001'))),
        ],
      ]),
      ...ends('MQTT-2.3.1-1', 0x82, [[`${name} with packet identifier 0`, packet(first, uint16(0))]]),
      ...ends('MQTT 2.2.3', 0x81, [
        [`a byte behind the properties of ${name}`, packet(first, id, hex('00 00 00'))],
        [`properties of ${name} that pass the end`, packet(first, id, hex('00 05 1f'))],
      ]),
      ...ends('MQTT-2.2.2-2', 0x81, [[`${name} with other flags`, packet(first ^ 2, id)]]),
    ]),
  ),
)

await t.test('DISCONNECT, PINGREQ, AUTH and what no client sends', (t) =>
  checkRowsAfterLogin(t, broker, user, 5, [
    ...ends(
      'MQTT5 3.14.2.1',
      0x82,
      [0x01, 0x10, 0x87, 0x8b, 0x8d, 0x8e, 0x9d, 0xa2, 0xff].map((code) => [
        `DISCONNECT with reason code 0x${code.toString(16)}, which no client sends,`,
        packet(0xe0, Buffer.from([code]), none),
      ]),
    ),
    ...ends('MQTT5 3.14.2.2.2', 0x82, [
      [
        'DISCONNECT that raises Session Expiry from 0',
        packet(0xe0, hex('00'), properties(hex('11 0000003c'))),
      ],
    ]),
    ...ends('MQTT5 2.2.2.2', 0x81, [
      ['DISCONNECT with a Server Reference', packet(0xe0, hex('00'), properties(hex('1c 0001 78')))],
    ]),
    ...ends('MQTT 3.14', 0x81, [['a byte behind DISCONNECT', packet(0xe0, hex('00 00 00'))]]),
    ...ends('MQTT-2.2.2-2', 0x81, [
      ['DISCONNECT with first byte 0xe1', hex('e1 00')],
      ['PINGREQ with first byte 0xc1', hex('c1 00')],
    ]),
    ...ends('MQTT 3.12', 0x81, [['a byte behind PINGREQ', hex('c0 01 00')]]),
    ...ends('MQTT-3.1.0-2', 0x82, [['a second CONNECT', connect(user, { level: 5 })]]),
    ...ends(
      'MQTT 2.2.1',
      0x82,
      ['00 00', '20 03 000000', '90 04 0007 00 00', 'b0 04 0007 00 00', 'd0 00', 'f0 00', 'f0 02 18 00'].map(
        (bytes) => [`packet 0x${bytes}, which has no place here,`, hex(bytes)],
      ),
    ),
  ]),
)
