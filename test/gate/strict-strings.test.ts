import t from 'tap'
import { startBroker } from '../support/broker.js'
import { checkRowsAfterLogin, checkRowsBeforeLogin } from '../support/byte-table.js'
import type { Row } from '../support/byte-table.js'
import { connect, field, hex, packet, properties, uint16 } from '../support/packet-bytes.js'

/** Bytes that no string may hold, and the statement of 3.1.1 that says so. */
const FORBIDDEN: [name: string, bytes: string, breaks: 'MQTT-1.5.3-1' | 'MQTT-1.5.3-2'][] = [
  ['U+0000', '00', 'MQTT-1.5.3-2'],
  ['U+0001', '01', 'MQTT-1.5.3-2'],
  ['U+000A', '0a', 'MQTT-1.5.3-2'],
  ['U+001F', '1f', 'MQTT-1.5.3-2'],
  ['U+007F', '7f', 'MQTT-1.5.3-2'],
  ['U+0080', 'c2 80', 'MQTT-1.5.3-2'],
  ['U+009F', 'c2 9f', 'MQTT-1.5.3-2'],
  ['the non-character U+FDD0', 'ef b7 90', 'MQTT-1.5.3-2'],
  ['the non-character U+FFFE', 'ef bf be', 'MQTT-1.5.3-2'],
  ['the non-character U+FFFF', 'ef bf bf', 'MQTT-1.5.3-2'],
  ['the non-character U+10FFFF', 'f4 8f bf bf', 'MQTT-1.5.3-2'],
  ['the surrogate U+D800', 'ed a0 80', 'MQTT-1.5.3-1'],
  ['the surrogate U+DFFF', 'ed bf bf', 'MQTT-1.5.3-1'],
  ['a pair of surrogates', 'ed a0 81 ed b0 80', 'MQTT-1.5.3-1'],
  ['an overlong NUL', 'c0 80', 'MQTT-1.5.3-1'],
  ['an overlong slash', 'e0 80 af', 'MQTT-1.5.3-1'],
  ['half a character', 'e2 82', 'MQTT-1.5.3-1'],
  ['a lone continuation byte', '80', 'MQTT-1.5.3-1'],
  ['Latin-1', 'e9', 'MQTT-1.5.3-1'],
  ['a character past U+10FFFF', 'f4 90 80 80', 'MQTT-1.5.3-1'],
]
// U+2A6D4 is the example of section 1.5.3.1; U+FEFF must never be skipped or stripped, [MQTT-1.5.3-3].
const ALLOWED = ['\u{2A6D4}', '\uFEFFfirst', 'in\uFEFFside', '\uFFFD', '\uE000', '\u{10FFFD}', ' ', 'e\u0301']

const broker = await startBroker(t, { env: { LOG_LEVEL: 'debug' } })
const user = broker.credentials('u')

for (const version of [4, 5] as const) {
  const none = version === 5 ? properties() : Buffer.alloc(0)
  const will = (topic: Buffer) => Buffer.concat([none, field(topic), field('gone')])
  const inConnect: [where: string, (text: Buffer) => Buffer][] = [
    ['the client identifier', (text) => connect(user, { level: version, clientId: text })],
    ['the username', (text) => connect(user, { level: version, username: behind(user.username, text) })],
    [
      'the will topic',
      (text) => connect(user, { level: version, flags: 0xc6, will: will(behind('tel/', text)) }),
    ],
    ['the protocol name', (text) => connect(user, { level: version, protocolName: behind('MQTT', text) })],
  ]
  const afterLogin: [where: string, (text: Buffer) => Buffer][] = [
    ['the topic name', (text) => packet(0x32, field(behind('tel/', text)), uint16(7), none, hex('7b7d'))],
    [
      'the topic filter',
      (text) => packet(0x82, uint16(7), none, field(behind('sos/events/', text)), hex('01')),
    ],
    [
      'the filter of an UNSUBSCRIBE',
      (text) => packet(0xa2, uint16(7), none, field(behind('sos/events/', text))),
    ],
  ]
  const title = (name: string, where: string) => `${name} in ${where} ends the connection`

  await t.test(`strings that are none, in a CONNECT of version ${version}`, (t) =>
    checkRowsBeforeLogin(
      t,
      broker,
      version,
      inConnect.flatMap(([where, bytes]) =>
        FORBIDDEN.map(([name, text, breaks]): Row => {
          // Before the version is known there is nobody to answer.
          const answers = version === 5 && where !== 'the protocol name' ? ['CONNACK 0x81'] : []
          return { title: title(name, where), bytes: bytes(hex(text)), breaks, answers }
        }),
      ),
    ),
  )

  await t.test(`strings that are none, after a login of version ${version}`, (t) =>
    checkRowsAfterLogin(
      t,
      broker,
      user,
      version,
      afterLogin.flatMap(([where, bytes]) =>
        FORBIDDEN.map(([name, text, breaks]): Row => {
          const answers = version === 5 ? ['DISCONNECT 0x81'] : []
          return { title: title(name, where), bytes: bytes(hex(text)), breaks, answers }
        }),
      ),
    ),
  )

  for (const text of ALLOWED) {
    const named = broker.credentials(`u${text}`)
    const code = [...text].map((character) => `U+${character.codePointAt(0)?.toString(16)}`).join(' ')
    const ok = version === 5 ? 'CONNACK 0x00' : 'CONNACK 0'
    await t.test(`[MQTT-1.5.3-3] version ${version}: ${code} stays as it is in every string`, async (t) => {
      await checkRowsBeforeLogin(t, broker, version, [
        {
          title: 'in client identifier and username',
          bytes: connect(named, { level: version, clientId: text }),
          answers: [ok],
        },
        {
          title: 'in the will topic, which is refused for being a will',
          bytes: connect(user, { level: version, flags: 0xc6, will: will(Buffer.from(`tel/${text}`)) }),
          answers: [version === 5 ? 'CONNACK 0x87' : 'CONNACK 5'],
          refused: 'will',
        },
      ])
      await checkRowsAfterLogin(t, broker, named, version, [
        {
          title: 'in the topic filter, which names the user',
          bytes: packet(0x82, uint16(1), none, field(`sos/events/u${text}`), hex('00')),
          answers: ['SUBACK 1: 00'],
        },
        {
          title: 'in the topic name, which names the user',
          bytes: packet(0x32, field(`tel/u${text}/data`), uint16(3), none, Buffer.from('{}')),
          answers: ['PUBACK 3'],
        },
      ])
    })
  }
}

function behind(start: string, text: Buffer): Buffer {
  return Buffer.concat([Buffer.from(start), text])
}
