import t from 'tap'
import { startBroker } from '../support/broker.js'
import { checkRowsBeforeLogin } from '../support/byte-table.js'
import type { Row } from '../support/byte-table.js'
import { connect, connectBody, field, hex, packet } from '../support/packet-bytes.js'
import { connectRaw } from '../support/raw-client.js'

const broker = await startBroker(t, { env: { LOG_LEVEL: 'debug' } })
const user = broker.credentials('u')
const will = Buffer.concat([field('tel/data'), field('gone')])
const welcome = ['CONNACK 0']

const accepted: Row[] = [
  { title: 'a valid CONNECT of 3.1.1 is accepted', bytes: connect(user), answers: welcome },
  {
    title: 'MQTT 2.2.3: Remaining Length may use more bytes than it needs in 3.1.1',
    bytes: Buffer.concat([
      Buffer.from([
        0x10,
        (connectBody(user).length & 0x7f) | 0x80,
        (connectBody(user).length >> 7) | 0x80,
        0,
      ]),
      connectBody(user),
    ]),
    answers: welcome,
  },
  { title: 'keep alive 0 is accepted', bytes: connect(user, { keepAlive: 0 }), answers: welcome },
  { title: 'keep alive 65535 is accepted', bytes: connect(user, { keepAlive: 65_535 }), answers: welcome },
  {
    title: '[MQTT-3.1.3-6] an empty client identifier is accepted with clean session 1',
    bytes: connect(user, { clientId: '' }),
    answers: welcome,
  },
  {
    title: 'a client identifier of 64 characters is accepted in 3.1.1',
    bytes: connect(user, { clientId: 'i'.repeat(64) }),
    answers: welcome,
  },
  {
    title: 'the bridge bit of a 3.1.1 protocol level, 0x84, is accepted',
    bytes: connect(user, { level: 0x84 }),
    answers: welcome,
  },
]

const refusedByLogin: Row[] = [
  {
    title: 'a valid CONNECT without username gets return code 5',
    bytes: connect(user, { flags: 0x02, username: null, password: null }),
    answers: ['CONNACK 5'],
    refused: 'malformed-username',
  },
  {
    title: 'a valid CONNECT with username and without password gets return code 5',
    bytes: connect(user, { flags: 0x82, password: null }),
    answers: ['CONNACK 5'],
    refused: 'wrong-hash',
  },
  {
    title: 'contract 3: clean session 0 gets return code 5',
    bytes: connect(user, { flags: 0xc0 }),
    answers: ['CONNACK 5'],
    refused: 'clean-session-0',
  },
  ...[0xc6, 0xce, 0xd6, 0xe6].map((flags) => ({
    title: `contract 3: a well-formed will (flags 0x${flags.toString(16)}) gets return code 5`,
    bytes: connect(user, { flags, will }),
    answers: ['CONNACK 5'],
    refused: 'will',
  })),
]

const broken: Row[] = [
  ...[0x11, 0x12, 0x14, 0x18].map((first) => ({
    title: `a CONNECT with first byte 0x${first.toString(16)} is closed without an answer`,
    bytes: connect(user, { first }),
    breaks: 'MQTT-2.2.2-2',
  })),
  ...['30 07 0003612f62 7878', '82 06 0001 0001 61 00', 'c0 00', 'e0 00', '40 02 0001', '62 02 0001'].map(
    (bytes) => ({
      title: `a first packet 0x${bytes.slice(0, 2)} is closed without an answer`,
      bytes: hex(bytes),
      breaks: 'MQTT-3.1.0-1',
    }),
  ),
  ...['00 00', '20 02 0000', '90 03 0001 00', 'b0 02 0001', 'd0 00', 'f0 00'].map((bytes) => ({
    title: `a first packet 0x${bytes.slice(0, 2)}, of no client, is closed without an answer`,
    bytes: hex(bytes),
    breaks: 'MQTT-3.1.0-1',
  })),
  ...['10 80808080 01', '10 ffffffff 7f'].map((bytes) => ({
    title: `Remaining Length ${bytes.slice(3)} has a fifth byte and is closed without an answer`,
    bytes: hex(bytes),
    breaks: 'MQTT 2.2.3',
  })),
  ...['mqtt', 'MQTT ', 'MQT', '', 'HTTP', 'MQISDP'].map((protocolName) => ({
    title: `protocol name "${protocolName}" is closed without an answer`,
    bytes: connect(user, { protocolName }),
    breaks: 'MQTT-3.1.2-1',
  })),
  ...[0, 1, 2, 3, 6, 0x44, 0x7f, 0x80, 0x85, 0xff].map((level) => ({
    title: `protocol level ${level} of MQTT gets return code 1`,
    bytes: connect(user, { level }),
    answers: ['CONNACK 1'],
    breaks: 'MQTT-3.1.2-2',
  })),
  {
    title: 'the reserved flag is closed without an answer',
    bytes: connect(user, { flags: 0xc3 }),
    breaks: 'MQTT-3.1.2-3',
  },
  ...[0xca, 0xd2].map((flags) => ({
    title: `will QoS without a will (flags 0x${flags.toString(16)}) is closed without an answer`,
    bytes: connect(user, { flags }),
    breaks: 'MQTT-3.1.2-13',
  })),
  ...[0xda, 0xde].map((flags) => ({
    title: `will QoS 3 (flags 0x${flags.toString(16)}) is closed without an answer`,
    bytes: connect(user, { flags, will }),
    breaks: 'MQTT-3.1.2-14',
  })),
  {
    title: 'will retain without a will is closed without an answer',
    bytes: connect(user, { flags: 0xe2 }),
    breaks: 'MQTT-3.1.2-15',
  },
  {
    title: 'a password without a username is closed without an answer',
    bytes: connect(user, { flags: 0x42, username: null }),
    breaks: 'MQTT-3.1.2-22',
  },
  {
    title: 'an empty client identifier with clean session 0 gets return code 2',
    bytes: connect(user, { flags: 0xc0, clientId: '' }),
    answers: ['CONNACK 2'],
    breaks: 'MQTT-3.1.3-8',
  },
  {
    title: 'an empty will topic is closed without an answer',
    bytes: connect(user, { flags: 0xc6, will: Buffer.concat([field(''), field('gone')]) }),
    breaks: 'MQTT-4.7.3-1',
  },
  ...['tel/+', '#'].map((topic) => ({
    title: `a wildcard in the will topic (${topic}) is closed without an answer`,
    bytes: connect(user, { flags: 0xc6, will: Buffer.concat([field(topic), field('gone')]) }),
    breaks: 'MQTT-3.3.2-2',
  })),
  ...[
    { title: 'a byte behind the password', fields: { excess: hex('00') } },
    { title: 'a password that no flag announces', fields: { flags: 0x82 } },
    { title: 'a username that no flag announces', fields: { flags: 0x02 } },
  ].map(({ title, fields }) => ({
    title: `${title} is closed without an answer`,
    bytes: connect(user, fields),
    breaks: 'MQTT 3.1.3',
  })),
  {
    title: 'a will that is announced and missing is closed without an answer',
    bytes: connect(user, { flags: 0xc6 }),
    breaks: 'MQTT 2.2.3',
  },
]

const mqtt31: Row[] = [
  { title: 'a valid CONNECT of 3.1 is accepted', answers: welcome, bytes: connect31({}) },
  {
    title: 'a client identifier of 23 characters is accepted in 3.1',
    answers: welcome,
    bytes: connect31({ clientId: 'é'.repeat(23) }),
  },
  {
    title: 'the bridge bit of a 3.1 protocol level, 0x83, is accepted',
    answers: welcome,
    bytes: connect31({ level: 0x83 }),
  },
  ...['', 'i'.repeat(24)].map((clientId) => ({
    title: `a client identifier of ${clientId.length} characters gets return code 2 in 3.1`,
    answers: ['CONNACK 2'],
    bytes: connect31({ clientId }),
    breaks: 'MQTT3.1 3.1',
  })),
  ...[4, 5, 0x84].map((level) => ({
    title: `protocol level ${level} of MQIsdp gets return code 1`,
    answers: ['CONNACK 1'],
    bytes: packet(0x10, connectBody(user, { protocolName: 'MQIsdp', level })),
    breaks: 'MQTT-3.1.2-2',
  })),
  {
    title: 'contract 3: clean session 0 gets return code 5 in 3.1',
    answers: ['CONNACK 5'],
    bytes: connect31({ flags: 0xc0 }),
    refused: 'clean-session-0',
  },
]

function connect31(fields: object): Buffer {
  return connect(user, { protocolName: 'MQIsdp', level: 3, ...fields })
}

await t.test('CONNECT 3.1.1 that is valid', (t) => checkRowsBeforeLogin(t, broker, 4, accepted))
await t.test('CONNECT 3.1.1 that is valid and refused', (t) =>
  checkRowsBeforeLogin(t, broker, 4, refusedByLogin),
)
await t.test('CONNECT 3.1.1 that is broken', (t) => checkRowsBeforeLogin(t, broker, 4, broken))
await t.test('CONNECT 3.1', (t) => checkRowsBeforeLogin(t, broker, 3, mqtt31))

for (const [title, body] of [
  ['3.1.1', connectBody(user, { flags: 0xc6, will })],
  ['3.1', connectBody(user, { protocolName: 'MQIsdp', level: 3 })],
] as const) {
  await t.test(
    `[MQTT 2.2.3] a CONNECT of ${title} that ends early, wherever, is closed without an answer`,
    async (t) => {
      for (let length = 0; length < body.length; length++) {
        const client = await connectRaw(t, broker.ports.mqtt)
        client.send(packet(0x10, body.subarray(0, length)))
        await client.untilClosed()
        t.equal(client.received().length, 0, `${length} of ${body.length} bytes`)
      }
      const whole = await connectRaw(t, broker.ports.mqtt)
      whole.send(packet(0x10, body))
      t.equal((await whole.next()).cmd, 'connack', 'all of it is answered')
    },
  )
}
