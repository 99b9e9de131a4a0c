import t from 'tap'
import { encodePacket, encodePosition } from '../support/mesh-packets.js'
import { NOW, readOn, readOneOn } from '../support/mesh-reading.js'

const position = encodePosition({ latitudeI: 517_720_000, longitudeI: 395_000, timeS: NOW / 1_000 - 5 })
const packet = {
  from: 0x11223344,
  to: 4_294_967_295,
  id: 39_321,
  fromId: '!11223344',
  toId: '^all',
  channel: 0,
  rxTime: NOW / 1_000,
  rxSnr: 6.25,
  rxRssi: -40,
  hopLimit: 2,
  hopStart: 3,
  priority: 'BACKGROUND',
}

t.test('the dictionary of the Python programs is read by its port and its bytes', async (t) => {
  const decoded = {
    portnum: 'POSITION_APP',
    payload: position.toString('base64'),
    bitfield: 1,
    position: { latitudeI: 1, longitudeI: 1 },
  }
  t.match(readOneOn('gw/packet', { ...packet, decoded }), {
    sender: { nodeId: '!11223344' },
    heardBy: undefined,
    packetId: 39_321,
    hops: 1,
    snr: 6.25,
    rssi: -40,
    isOkToMqtt: true,
    times: { at: NOW - 5_000, toldBy: 'sender', heardAt: NOW },
    content: { is: 'position', fix: { latitude: 51.772, longitude: 0.0395 } },
  })
})

t.test('an alert, which such programs give no text, is an SOS', async (t) => {
  const alert = { portnum: 'ALERT_APP', payload: Buffer.from('help').toString('base64') }
  t.match(readOneOn('gw/packet', { ...packet, decoded: alert }).content, {
    is: 'sos',
    trigger: 'alert',
    note: 'help',
  })
  t.match(readOneOn('gw/packet', { ...packet, decoded: { portnum: 'ALERT_APP' } }).content, { is: 'sos' })
})

t.test('names stand in for numbers that are missing, and a text for its bytes', async (t) => {
  const { from: _from, to: _to, ...named } = packet
  const decoded = { portnum: 1, text: 'SOS' }
  t.match(readOneOn('gw/packet', { ...named, decoded }), {
    sender: { nodeId: '!11223344' },
    to: 0xffffffff,
    content: { is: 'sos', trigger: 'text', note: 'SOS' },
  })
  const unknown = { portnum: 'CAYENNE_APP', payload: '' }
  t.strictSame(readOneOn('gw/packet', { ...packet, decoded: unknown }).content, { is: 'other', port: 0 })
})

t.test('a packet in base64 is read as it was on the air', async (t) => {
  const encryptFor = { key: Buffer.from('d4f1bb3a20290759f0bcffabcf4e6901', 'hex'), hash: 8 }
  for (const options of [{}, { encryptFor }]) {
    const bytes = encodePacket({ port: 11, payload: 'SOS', ...options })
    t.match(readOneOn('gw/packet', `${bytes.toString('base64')}\n`).content, { is: 'sos', trigger: 'alert' })
  }
  const encrypted = { ...packet, channel: 8, encrypted: 'MSyGd2AnK2iT', id: 0x999b }
  t.match(readOneOn('gw/packet', encrypted).content, { is: 'sos', trigger: 'alert', note: 'SOS' })
})

t.test('what is no packet is refused', async (t) => {
  const refusals: [unknown, string][] = [
    ['', 'malformed'],
    ['not base64!', 'malformed'],
    ['{"from":1', 'malformed'],
    [{}, 'bad-sender'],
    [{ ...packet }, 'malformed'],
    [{ ...packet, decoded: 'text' }, 'malformed'],
    [{ ...packet, viaMqtt: true, decoded: { portnum: 1, text: 'SOS' } }, 'via-mqtt'],
    [{ ...packet, hopLimit: 9, decoded: { portnum: 1, text: 'SOS' } }, 'too-many-hops'],
    [{ ...packet, decoded: { portnum: 3, payload: 'DVA=' } }, 'malformed'],
    [{ ...packet, pkiEncrypted: true, encrypted: 'MSyGd2AnK2iT' }, 'pki'],
  ]
  for (const [payload, why] of refusals)
    t.match(
      readOn('gw/packet', payload as object),
      { is: 'refused', why },
      JSON.stringify(payload).slice(0, 60),
    )
})
