import t from 'tap'
import { startBroker } from '../support/broker.js'
import { checkRowsBeforeLogin, tell } from '../support/byte-table.js'
import type { Row } from '../support/byte-table.js'
import { connect, connectBody, field, hex, packet, properties } from '../support/packet-bytes.js'
import type { ConnectFields } from '../support/packet-bytes.js'
import { connectRaw } from '../support/raw-client.js'

const broker = await startBroker(t, { env: { LOG_LEVEL: 'debug' } })
const user = broker.credentials('u')
const connect5 = (fields: ConnectFields = {}) => connect(user, { level: 5, ...fields })
const withProperties = (...block: Buffer[]) => connect5({ properties: properties(...block) })
const will = (...block: Buffer[]) =>
  connect5({ flags: 0xc6, will: Buffer.concat([properties(...block), field('tel/data'), field('gone')]) })
const pair = (key: string, value: string) => Buffer.concat([hex('26'), field(key), field(value)])

const accepts = (rows: [title: string, bytes: Buffer][]): Row[] =>
  rows.map(([title, bytes]) => ({ title: `${title} is accepted`, bytes, answers: ['CONNACK 0x00'] }))
const refuses = (breaks: string, code: number, rows: [title: string, bytes: Buffer][]): Row[] =>
  rows.map(([title, bytes]) => ({
    title: `${title} gets CONNACK 0x${code.toString(16)}`,
    bytes,
    breaks,
    answers: [`CONNACK 0x${code.toString(16)}`],
  }))
const refusesLogin = (refused: string, code: number, rows: [title: string, bytes: Buffer][]): Row[] =>
  rows.map(([title, bytes]) => ({
    title: `${title} gets CONNACK 0x${code.toString(16)}`,
    bytes,
    refused,
    answers: [`CONNACK 0x${code.toString(16)}`],
  }))

const SINGLE: [name: string, one: Buffer][] = [
  ['Session Expiry Interval', hex('11 00000000')],
  ['Authentication Method', Buffer.concat([hex('15'), field('PLAIN')])],
  ['Authentication Data', Buffer.concat([hex('16'), field('x')])],
  ['Request Problem Information', hex('17 01')],
  ['Request Response Information', hex('19 00')],
  ['Receive Maximum', hex('21 0001')],
  ['Topic Alias Maximum', hex('22 0000')],
  ['Maximum Packet Size', hex('27 00010000')],
]

/** Properties of other packets, and some of none. */
const FOREIGN = [
  '00',
  '01 00',
  '02 00000001',
  '03 0001 78',
  '08 0001 78',
  '09 0001 78',
  '0b 01',
  '12 0001 78',
  '13 0001',
  '18 00000001',
  '1a 0001 78',
  '1c 0001 78',
  '1f 0001 78',
  '23 0001',
  '24 01',
  '25 01',
  '28 01',
  '29 01',
  '2a 01',
  '7f 00',
  '8080 01',
]

await t.test('CONNECT 5.0 that is valid', (t) =>
  checkRowsBeforeLogin(t, broker, 5, [
    ...accepts([
      ['contract 3: the CONNECT of the SDK, property length 0,', connect5()],
      ['clean start 0', connect5({ flags: 0xc0 })],
      ['an empty client identifier', connect5({ clientId: '' })],
      ['an empty client identifier with clean start 0', connect5({ flags: 0xc0, clientId: '' })],
      ['Session Expiry Interval 4294967295', withProperties(hex('11 ffffffff'))],
      ['Receive Maximum 1', withProperties(hex('21 0001'))],
      ['Maximum Packet Size 4294967295', withProperties(hex('27 ffffffff'))],
      ['Topic Alias Maximum 65535', withProperties(hex('22 ffff'))],
      ['Request Response Information 1', withProperties(hex('19 01'))],
      ['Request Problem Information 0', withProperties(hex('17 00'))],
      ['the same User Property twice', withProperties(pair('a', 'b'), pair('a', 'b'))],
      ['an empty User Property', withProperties(pair('', ''))],
      [
        'every property at once',
        withProperties(
          ...SINGLE.filter(([name]) => !name.startsWith('Auth')).map(([, one]) => one),
          pair('a', 'b'),
        ),
      ],
    ]),
  ]),
)

await t.test('CONNECT 5.0 that is valid and refused', (t) =>
  checkRowsBeforeLogin(t, broker, 5, [
    ...refusesLogin('enhanced-authentication', 0x8c, [
      ['an Authentication Method', withProperties(Buffer.concat([hex('15'), field('PLAIN')]))],
      ['an Authentication Method with data', withProperties(hex('15 0001 78 16 0001 00'))],
      [
        'an Authentication Method without username and password',
        connect5({ flags: 0x02, username: null, password: null, properties: properties(hex('15 0001 78')) }),
      ],
    ]),
    ...refusesLogin('malformed-username', 0x86, [
      ['no username and no password', connect5({ flags: 0x02, username: null, password: null })],
      ['[MQTT5 3.1.2.9] a password without a username', connect5({ flags: 0x42, username: null })],
    ]),
    ...refusesLogin('wrong-hash', 0x87, [['no password', connect5({ flags: 0x82, password: null })]]),
    ...refusesLogin('will', 0x87, [
      ['contract 3: a will', will()],
      [
        'contract 3: a will with every property',
        will(hex('18 00000001 01 01 02 00000001 03 0001 78 08 0001 78 09 0001 78'), pair('a', 'b')),
      ],
    ]),
  ]),
)

await t.test('CONNECT 5.0 with wrong properties', (t) =>
  checkRowsBeforeLogin(t, broker, 5, [
    ...SINGLE.map(([name, one]): Row => ({
      title: `${name} twice gets CONNACK 0x82`,
      // Data alone is wrong for a reason of its own.
      bytes: withProperties(one, one),
      breaks: 'MQTT5 2.2.2.2',
      answers: ['CONNACK 0x82'],
    })),
    ...refuses('MQTT5 2.2.2.2', 0x82, [
      ['Receive Maximum 0', withProperties(hex('21 0000'))],
      ['Maximum Packet Size 0', withProperties(hex('27 00000000'))],
      ['Request Problem Information 2', withProperties(hex('17 02'))],
      ['Request Response Information 2', withProperties(hex('19 02'))],
      ['Payload Format Indicator 2 in the will', will(hex('01 02'))],
      ['Will Delay Interval twice', will(hex('18 00000001 18 00000001'))],
    ]),
    ...refuses('MQTT5 3.1.2.11.10', 0x82, [
      ['Authentication Data without a method', withProperties(hex('16 0001 00'))],
    ]),
    ...refuses('MQTT-3.3.2-14', 0x82, [
      ['a wildcard in the Response Topic of the will', will(hex('08 0001 23'))],
    ]),
    ...refuses(
      'MQTT5 2.2.2.2',
      0x81,
      FOREIGN.map((one) => [
        `property 0x${one.split(' ')[0]}, which does not belong in CONNECT,`,
        withProperties(hex(one)),
      ]),
    ),
    ...refuses(
      'MQTT5 2.2.2.2',
      0x81,
      ['11 00000000', '15 0001 78', '21 0001', '23 0001', '27 00000001'].map((one) => [
        `property 0x${one.split(' ')[0]}, which does not belong in a will,`,
        will(hex(one)),
      ]),
    ),
    ...refuses('MQTT 2.2.3', 0x81, [
      ['a property that passes the end of the block', withProperties(hex('11 0000'))],
      ['a property identifier without a value', withProperties(hex('21'))],
      ['a User Property without its value', withProperties(hex('26 0001 61'))],
    ]),
    ...refuses('MQTT-1.5.5-1', 0x81, [
      ['a property length of more bytes than it needs', connect5({ properties: hex('80 00') })],
      ['a property identifier of more bytes than it needs', withProperties(hex('a100 0001'))],
    ]),
    ...refuses('MQTT5 1.5.5', 0x81, [
      ['a property length of five bytes', connect5({ properties: hex('80808080 01') })],
    ]),
    ...refuses('MQTT-1.5.3-2', 0x81, [
      ['NUL in the key of a User Property', withProperties(pair('a\0', 'b'))],
      ['NUL in the value of a User Property', withProperties(pair('a', '\0b'))],
    ]),
    ...refuses('MQTT-1.5.3-1', 0x81, [
      ['a surrogate in a User Property', withProperties(hex('26 0001 61 0003 eda080'))],
    ]),
  ]),
)

await t.test('CONNECT 5.0 with wrong fields', (t) =>
  checkRowsBeforeLogin(t, broker, 5, [
    ...refuses('MQTT-3.1.2-3', 0x81, [['the reserved flag', connect5({ flags: 0xc3 })]]),
    ...refuses('MQTT-3.1.2-13', 0x81, [['will QoS without a will', connect5({ flags: 0xca })]]),
    ...refuses('MQTT-3.1.2-14', 0x81, [['will QoS 3', connect5({ flags: 0xde })]]),
    ...refuses('MQTT-3.1.2-15', 0x81, [['will retain without a will', connect5({ flags: 0xe2 })]]),
    ...refuses('MQTT 3.1.3', 0x81, [['a byte behind the password', connect5({ excess: hex('00') })]]),
    ...refuses('MQTT-4.7.3-1', 0x82, [
      ['an empty will topic', connect5({ flags: 0xc6, will: hex('00 0000 0000') })],
    ]),
    ...refuses('MQTT-3.3.2-2', 0x90, [
      ['a wildcard in the will topic', connect5({ flags: 0xc6, will: hex('00 0001 23 0000') })],
    ]),
    ...refuses('MQTT-1.5.5-1', 0x81, [
      [
        'a Remaining Length of more bytes than it needs',
        Buffer.concat([
          hex('10'),
          nonMinimal(connectBody(user, { level: 5 }).length),
          connectBody(user, { level: 5 }),
        ]),
      ],
    ]),
    { title: 'AUTH before CONNECT is closed without an answer', bytes: hex('f0 00'), breaks: 'MQTT-3.1.0-1' },
    {
      title: 'the bridge bit of protocol level 5 gets return code 1',
      bytes: connect5({ level: 0x85 }),
      breaks: 'MQTT-3.1.2-2',
      answers: ['CONNACK 0x01'],
    },
  ]),
)

await t.test('[MQTT 2.2.3] a CONNECT of 5.0 that ends early, wherever, is refused with 0x81', async (t) => {
  const body = connectBody(user, { level: 5, properties: properties(hex('21 0001'), pair('a', 'b')) })
  const versionAt = 7
  for (let length = 0; length < body.length; length++) {
    const client = await connectRaw(t, broker.ports.mqtt, 5)
    client.send(packet(0x10, body.subarray(0, length)))
    const answers = (await client.untilClosed()).map((answer) => tell(answer, 5))
    // Before the version is known there is nobody to answer.
    t.strictSame(answers, length < versionAt ? [] : ['CONNACK 0x81'], `${length} bytes`)
  }
})

/** The length with a needless zero behind it. */
function nonMinimal(length: number): Buffer {
  return Buffer.from([(length & 0x7f) | 0x80, (length >> 7) | 0x80, 0])
}
