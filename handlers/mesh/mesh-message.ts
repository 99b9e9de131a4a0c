import type { EixamFragment } from './eixam-radio.js'
import type { MeshTimes } from './mesh-times.js'

/**
 * One thing that the mesh said, whatever way it came: who said it, who heard it, when, and what. Whose device
 * the sender is, is not decided here.
 */
export interface MeshMessage {
  sender: Sender
  /**
   * 16-bit id of the EIXAM device that the message is about, where the sender only relayed it. It is then never
   * about the sender.
   */
  relayedDevice?: number
  /** Node id of the gateway; absent where a bridge program or a gateway of another make sent it. */
  heardBy?: string
  channelName?: string
  /** Its sender's number for it, or 0: then copies of it cannot be told apart. */
  packetId: number
  /** Node number, or BROADCAST; absent where the form has none. */
  to?: number
  /** How often it was repeated on its way to the gateway. */
  hops?: number
  /** dB and dBm, at the gateway. */
  snr?: number
  rssi?: number
  times: MeshTimes
  /** Whether the sender lets gateways pass it on; absent before firmware 2.5 and in JSON. */
  isOkToMqtt?: boolean
  /** The oldest firmware that its sender can have. */
  firmware?: '2.5' | '2.8'
  content: MeshContent
}

export type Sender =
  | { is: 'node'; nodeNumber: number; nodeId: string }
  /** Named by a topic, in the words of the device registry. */
  | { is: 'device'; hardwareId: string }

export type MeshContent =
  | SosContent
  | CancelContent
  | PositionContent
  | { is: 'no-position'; why: NoFix; fields?: Record<string, unknown>; radio?: RadioState }
  | TelemetryContent
  | NodeInfoContent
  | { is: 'text'; text: string }
  /** A part of an EIXAM packet; see fragments.ts. */
  | EixamFragment
  /** A gateway says that it is there. */
  | { is: 'gateway-alive' }
  /** Nothing that is taken; the port where there is one. */
  | { is: 'other'; port?: number }

/** A call for help. It may come without a position and must be raised all the same. */
export interface SosContent {
  is: 'sos'
  /** What made it one: an alert packet, a word in a text, a sensor, an EIXAM packet, or the topic. */
  trigger: 'alert' | 'text' | 'sensor' | 'radio' | 'topic'
  note?: string
  fix?: Fix
  radio?: RadioState
  /** From JSON with the SDK's fields: what else stood there. */
  fields?: Record<string, unknown>
  /** From such JSON: microseconds since 1970, as SosReport.reportKey. */
  timestampKey?: string
  /** Base64 of what could not be read. */
  raw?: string
}

/** A wearable says that its SOS is over. */
export interface CancelContent {
  is: 'cancel'
  /** Its user did it, or the phone did and the wearable confirms. */
  by: 'user' | 'app'
  /** What the wearable takes its SOS for now; absent where it gives a reason that we do not know. */
  becomes?: 'inactive' | 'resolved'
  /** 16-bit id of the wearable. */
  device: number
}

export interface PositionContent {
  is: 'position'
  fix: Fix
  radio?: RadioState
  fields?: Record<string, unknown>
}

/** Where it was. When: the message's times. */
export interface Fix {
  /** Degrees, WGS 84. */
  latitude: number
  longitude: number
  /** Metres. */
  altitude?: number
  /** The sender rounded to this many of 32 bits; absent where it does not say. */
  precisionBits?: number
  /**
   * Metres by which rounding alone may put it off, half a cell's height; absent where that is less than a receiver
   * errs by anyway.
   */
  accuracyMeters?: number
  /** Set by hand, the node's own receiver, or another one. */
  origin?: 'manual' | 'internal' | 'external'
  pdop?: number
  satellites?: number
  speedKmh?: number
  trackDegrees?: number
}

export type NoFix = 'missing' | 'zero' | 'out-of-range'

export interface TelemetryContent {
  is: 'telemetry'
  battery?: { percent: number; isPowered: boolean }
  voltage?: number
  channelUtilization?: number
  airUtilTx?: number
  uptimeS?: number
  heartBpm?: number
  spO2?: number
  /** Of the body, degrees Celsius. */
  temperature?: number
  /** From JSON with the SDK's fields. */
  fields?: Record<string, unknown>
}

/** What a node says about itself: claims, all of them. */
export interface NodeInfoContent {
  is: 'node-info'
  longName?: string
  shortName?: string
  /** Upper case; absent where it was left out or blanked. */
  mac?: string
  /** Lower-case hex. */
  publicKey?: string
  /** The sender's number is the one of this key, as firmware 2.8 makes it; absent without a key. */
  isNumberOfKey?: boolean
  hardwareModel?: number
  role?: number
}

/** What an EIXAM packet says beside its position; levels from 0 (worst) to 3. */
export interface RadioState {
  /** 16 bits; not a node number and no part of a MAC address. */
  device: number
  /** 0 to 15: every sixteenth packet has the same. */
  packetId?: number
  sequence?: number
  sosType?: number
  retries?: number
  relays?: number
  battery?: number
  gpsQuality?: number
  speed?: number
  /** Sixteenths of a circle. */
  heading?: number
  batteryPercent?: number
  /** dB and dBm, where a device heard it from another. */
  snr?: number
  rssi?: number
}

/** Content with what goes into the message around it. */
export interface ContentPart {
  content: MeshContent
  /** Seconds since 1970, in the order in which they count. */
  senderTimesS?: (number | undefined)[]
  relayedDevice?: number
}

/** What a gateway's publication became. */
export type MeshReading =
  | { is: 'messages'; messages: MeshMessage[] }
  /** `channelName` and `from` (a node number) where they are known, for whoever looks for the reason. */
  | { is: 'refused'; why: Refusal; channelName?: string; from?: number }

export type Refusal =
  | 'too-large'
  | 'malformed'
  /** The gateway's own id in it is not the one of the topic. */
  | 'gateway-mismatch'
  /** From nobody or from everybody. */
  | 'bad-sender'
  /** Came from a broker before. */
  | 'via-mqtt'
  | 'too-many-hops'
  /** No configured key fits. */
  | 'undecryptable'
  /** Between two nodes alone; no broker can read it. */
  | 'pki'
