import * as fc from 'fast-check'
import t from 'tap'
import {
  applyAesCtr,
  channelHash,
  counterBlock,
  createChannelKeys,
  decryptPacket,
  expandKey,
} from '../../handlers/mesh/channel-crypto.js'
import type { Channel, ChannelKey } from '../../handlers/mesh/channel-crypto.js'
import { encodeEnvelope } from '../support/mesh-packets.js'
import type { PacketFields } from '../support/mesh-packets.js'
import { ENVELOPE_TOPIC, readOn, readOneOn, SETTINGS } from '../support/mesh-reading.js'

const hex = (text: string) => Buffer.from(text, 'hex')

t.test('RFC 3686: AES-CTR with 128 and 256 bits gives the vectors of the specification', async (t) => {
  const plain = Buffer.from('Single block msg')
  const vectors = [
    {
      key: 'ae6852f8121067cc4bf7a5765577f39e',
      counter: '00000030000000000000000000000001',
      cipher: 'e4095d4fb7a7b3792d6175a3261311b8',
    },
    {
      key: '776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104',
      counter: '00000060db5672c97aa8f0b200000001',
      cipher: '145ad01dbf824ec7560863dc71e3e0c0',
    },
  ]
  for (const { key, counter, cipher } of vectors)
    t.equal(applyAesCtr(hex(key), hex(counter), plain).toString('hex'), cipher)
})

t.test('the counter starts from packet id and sender, little-endian', async (t) => {
  t.equal(counterBlock(0x0000999a, 0x11223344).toString('hex'), '9a990000000000004433221100000000')
  t.equal(counterBlock(0xffffffff, 0xfffffffe).toString('hex'), 'ffffffff00000000feffffff00000000')
})

t.test('a key of any length a node takes becomes none, 16 or 32 bytes', async (t) => {
  const expanded: [string, string][] = [
    ['', ''],
    ['00', ''],
    ['01', 'd4f1bb3a20290759f0bcffabcf4e6901'],
    ['02', 'd4f1bb3a20290759f0bcffabcf4e6902'],
    ['0a', 'd4f1bb3a20290759f0bcffabcf4e690a'],
    ['ff', 'd4f1bb3a20290759f0bcffabcf4e69ff'],
    ['aabb', `aabb${'00'.repeat(14)}`],
    ['aa'.repeat(16), 'aa'.repeat(16)],
    ['aa'.repeat(17), `${'aa'.repeat(17)}${'00'.repeat(15)}`],
    ['aa'.repeat(32), 'aa'.repeat(32)],
  ]
  for (const [key, whole] of expanded) t.equal(expandKey(hex(key)).toString('hex'), whole, key)
  t.throws(() => expandKey(Buffer.alloc(33)), RangeError)
})

t.test('the hashes of the preset channels with the default key are the ones on the air', async (t) => {
  const hashes = { LongFast: 8, MediumSlow: 24, MediumFast: 31, ShortFast: 112, LongTurbo: 118 }
  for (const [name, hash] of Object.entries(hashes))
    t.equal(channelHash(name, expandKey(hex('01'))), hash, name)
})

const rescue: Channel = { name: 'rescue', key: Buffer.alloc(32, 7) }
const patrol: Channel = { name: 'patrol', key: Buffer.alloc(16, 9) }

/** A packet as the members of a channel send it, and how a gateway calls the channel. */
function encryptedText(channel: Channel, channelName: string, fields: Partial<PacketFields> = {}): Buffer {
  const encryptFor = createChannelKeys([channel])[0] as ChannelKey
  return encodeEnvelope({ port: 1, payload: 'hello', encryptFor, ...fields }, { channelName })
}

function settingsFor(...channels: Channel[]) {
  return { settings: { ...SETTINGS, channels: createChannelKeys(channels) } }
}

t.test('whichever of the configured channels a packet is from, its key is found', async (t) => {
  const settings = settingsFor({ name: 'LongFast', key: hex('01') }, patrol, rescue)
  for (const channel of [patrol, rescue]) {
    const message = readOneOn(ENVELOPE_TOPIC, encryptedText(channel, channel.name), settings)
    t.match(message, { channelName: channel.name, content: { is: 'text', text: 'hello' } })
  }
})

t.test(
  'a channel that the gateway calls otherwise than the app does is decrypted all the same',
  async (t) => {
    const message = readOneOn(
      ENVELOPE_TOPIC,
      encryptedText({ ...rescue, name: 'Rettung' }, 'Rettung', { payload: 'SOS' }),
      settingsFor(patrol, rescue),
    )
    t.match(message.content, { is: 'sos', trigger: 'text' })
  },
)

t.test('a packet for which no key is configured is refused, and its channel named', async (t) => {
  t.strictSame(readOn(ENVELOPE_TOPIC, encryptedText(rescue, 'rescue'), settingsFor(patrol)), {
    is: 'refused',
    why: 'undecryptable',
    from: 0x11223344,
    channelName: 'rescue',
  })
  const spoofed = encryptedText({ ...rescue, key: Buffer.alloc(32, 8) }, 'rescue')
  t.match(readOn(ENVELOPE_TOPIC, spoofed, settingsFor(patrol, rescue)), { why: 'undecryptable' })
})

t.test('noise is not taken for a message because the keys of other channels are tried', async (t) => {
  const keys = createChannelKeys(
    Array.from({ length: 8 }, (_, i) => ({ name: `c${i}`, key: Buffer.alloc(16, i) })),
  )
  const hashes = new Set(keys.map(({ hash }) => hash))
  const foreignHash = Array.from({ length: 256 }, (_, i) => i).find((hash) => !hashes.has(hash)) as number
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 60 }),
      fc.nat(0xffffffff),
      (bytes, packetId) =>
        decryptPacket({ from: 5, packetId, hash: foreignHash, encrypted: Buffer.from(bytes) }, keys) === null,
    ),
    { numRuns: 5_000 },
  )
  t.not(foreignHash, undefined)
})

t.test('a channel without a key is read as it is', async (t) => {
  const open: Channel = { name: 'open', key: Buffer.alloc(0) }
  const { hash } = createChannelKeys([open])[0] as ChannelKey
  const bytes = Buffer.from('0801120568656c6c6f', 'hex')
  const data = decryptPacket(
    { from: 5, packetId: 1, hash, encrypted: bytes, channelName: 'open' },
    createChannelKeys([open]),
  )
  t.match(data, { port: 1, payload: Buffer.from('hello') })
})

t.test(
  'a packet between two nodes alone is not ours to read, unless the gateway decrypted its own',
  async (t) => {
    t.match(readOn('msh/2/e/PKI/!a1b2c3d4', encryptedText(rescue, 'PKI')), { is: 'refused', why: 'pki' })
    const marked = encryptedText(rescue, 'rescue', { isPki: true })
    t.match(readOn(ENVELOPE_TOPIC, marked, settingsFor(rescue)), { is: 'refused', why: 'pki' })
    const toGateway = encodeEnvelope(
      { port: 1, payload: 'SOS', to: 0xa1b2c3d4, isPki: true },
      { channelName: 'PKI' },
    )
    t.match(readOneOn('msh/2/e/PKI/!a1b2c3d4', toGateway).content, {
      is: 'sos',
      trigger: 'text',
      note: 'SOS',
    })
  },
)
