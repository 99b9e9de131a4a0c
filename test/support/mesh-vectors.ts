import { DEFAULT_KEY, encodePosition, encodeTelemetry } from './mesh-packets.js'
import type { PacketFields } from './mesh-packets.js'
import { HEARD_AT_S } from './mesh-reading.js'

export const hex = (text: string) => Buffer.from(text, 'hex')
const LONG_FAST = { key: DEFAULT_KEY, hash: 8 }

/** How the gateway of the vectors heard each of them. */
export const HEARD: Partial<PacketFields> = {
  bitfield: 1,
  heardAtS: HEARD_AT_S,
  snr: 10.5,
  rssi: -85,
  hopLimit: 3,
  hopStart: 3,
}
const POSITION = encodePosition({
  latitudeI: 374_208_000,
  longitudeI: -1_221_981_000,
  altitude: 123,
  timeS: HEARD_AT_S,
  fixedAtS: HEARD_AT_S,
  precisionBits: 32,
})
const TELEMETRY = encodeTelemetry({
  timeS: HEARD_AT_S,
  battery: 85,
  voltage: 3.72,
  channelUtilization: 15.56,
  airUtilTx: 8.23,
  uptimeS: 12_345,
})
const HEAD = '0d4433221115ffffffff'
const TAIL =
  '00003d0066ee5f4500002841480360abffffffffffffffff01780312084c6f6e67466173741a09216131623263336434'

const position = {
  is: 'position',
  fix: { latitude: 37.4208, longitude: -122.1981, altitude: 123, precisionBits: 32 },
}
const telemetry = {
  is: 'telemetry',
  battery: { percent: 85, isPowered: false },
  voltage: Math.fround(3.72),
  channelUtilization: Math.fround(15.56),
  airUtilTx: Math.fround(8.23),
  uptimeS: 12_345,
}
const eixam = hex('3412afad9b180307c543')

/** Envelopes as a gateway publishes them, byte by byte, and what is in them. */
export const VECTORS: { title: string; bytes: string; id: number; written: PacketFields; content: object }[] =
  [
    {
      title: 'a position',
      bytes: `0a47${HEAD}221d080312170d00f64d1615b80c2ab7187b250066ee5f980107b801204801359999${TAIL}`,
      id: 0x9999,
      written: { port: 3, payload: POSITION },
      content: position,
    },
    {
      title: 'the same, encrypted',
      bytes: `0a49${HEAD}18082a1d546d5c88e3ca8eedff56b848395e68a6034be789cd74b5fba9773b05d6359999${TAIL}`,
      id: 0x9999,
      written: { port: 3, payload: POSITION, encryptFor: LONG_FAST },
      content: position,
    },
    {
      title: 'telemetry, encrypted',
      bytes: `0a4d${HEAD}18082a21ac3d7a4e9630bb39d13aa2ae94c3c5431d56836765bca60547fe7f2f1e4e328e6e359a99${TAIL}`,
      id: 0x999a,
      written: { port: 67, payload: TELEMETRY, encryptFor: LONG_FAST },
      content: telemetry,
    },
    {
      title: 'an alert',
      bytes: `0a33${HEAD}2209080b1203534f534801359b99${TAIL}`,
      id: 0x999b,
      written: { port: 11, payload: 'SOS' },
      content: { is: 'sos', trigger: 'alert', note: 'SOS' },
    },
    {
      title: 'an alert, encrypted',
      bytes: `0a35${HEAD}18082a09312c867760272b6893359b99${TAIL}`,
      id: 0x999b,
      written: { port: 11, payload: 'SOS', encryptFor: LONG_FAST },
      content: { is: 'sos', trigger: 'alert', note: 'SOS' },
    },
    {
      title: 'a text that calls for help',
      bytes: `0a3d${HEAD}22130801120d534f53206e6565642068656c704801359c99${TAIL}`,
      id: 0x999c,
      written: { port: 1, payload: 'SOS need help' },
      content: { is: 'sos', trigger: 'text', note: 'SOS need help' },
    },
    {
      title: 'an SOS of an EIXAM wearable on a private port',
      bytes: `0a3b${HEAD}2211088002120a3412afad9b180307c5434801359d99${TAIL}`,
      id: 0x999d,
      written: { port: 256, payload: eixam },
      content: {
        is: 'sos',
        trigger: 'radio',
        radio: { device: 0x1234, sosType: 1, retries: 0, relays: 0, battery: 3, gpsQuality: 3, packetId: 5 },
      },
    },
  ]
