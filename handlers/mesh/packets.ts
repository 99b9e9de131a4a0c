import {
  bool,
  bytes,
  defineMessage,
  fixed32,
  float,
  int32,
  message,
  sfixed32,
  sint32,
  string,
  uint32,
} from './protobuf.js'

/**
 * The messages of a mesh that are read, with their fields' numbers: facts of the wire format, in our own names.
 * What stands in no table is skipped.
 */

/** What a packet carries once it is decrypted. */
export const dataType = defineMessage({
  port: uint32(1),
  payload: bytes(2),
  /** Bit 0: the sender agrees that gateways pass it on. Present since firmware 2.5. */
  bitfield: uint32(9),
  /** Since firmware 2.8. */
  signature: bytes(10),
})
export type Data = ReturnType<typeof dataType.read>

export const packetType = defineMessage({
  from: fixed32(1),
  to: fixed32(2),
  /** Hash of the channel where the packet is encrypted, else the gateway's own index of it. */
  channel: uint32(3),
  decoded: message(4, dataType),
  encrypted: bytes(5),
  id: fixed32(6),
  /** Seconds since 1970 by the gateway's clock; 0 where it has none. */
  heardAtS: fixed32(7),
  /** dB */
  snr: float(8),
  hopLimit: uint32(9),
  /** dBm */
  rssi: int32(12),
  viaMqtt: bool(14),
  hopStart: uint32(15),
  isPki: bool(17),
})
export type MeshPacket = ReturnType<typeof packetType.read>

export const envelopeType = defineMessage({
  packet: message(1, packetType),
  channelName: string(2),
  gatewayId: string(3),
})

export const positionType = defineMessage({
  /** 1e-7 degrees */
  latitudeI: sfixed32(1),
  longitudeI: sfixed32(2),
  /** Metres above the sea; the one above the ellipsoid stands in where a node is set so. */
  altitude: int32(3),
  /** Seconds since 1970; 0 where the node has no clock. */
  timeS: fixed32(4),
  origin: uint32(5),
  /** Seconds since 1970 of the fix itself; absent unless the node is set so. */
  fixedAtS: fixed32(7),
  ellipsoidAltitude: sint32(9),
  /** Hundredths. */
  pdop: uint32(11),
  /** km/h */
  speed: uint32(15),
  /** 1e-5 degrees */
  track: uint32(16),
  satellites: uint32(19),
  precisionBits: uint32(23),
})
export type RawPosition = ReturnType<typeof positionType.read>

const deviceMetricsType = defineMessage({
  /** Percent; 101 = powered. */
  battery: uint32(1),
  voltage: float(2),
  channelUtilization: float(3),
  airUtilTx: float(4),
  uptimeS: uint32(5),
})
export type RawDeviceMetrics = ReturnType<typeof deviceMetricsType.read>

const healthMetricsType = defineMessage({
  heartBpm: uint32(1),
  spO2: uint32(2),
  temperature: float(3),
})

export const telemetryType = defineMessage({
  timeS: fixed32(1),
  device: message(2, deviceMetricsType),
  health: message(7, healthMetricsType),
})

export const nodeInfoType = defineMessage({
  longName: string(2),
  shortName: string(3),
  mac: bytes(4),
  hardwareModel: uint32(5),
  role: uint32(7),
  publicKey: bytes(8),
})

/** Application ports that are read; every other one is counted and left. */
export const PORT = {
  text: 1,
  position: 3,
  nodeInfo: 4,
  detectionSensor: 10,
  alert: 11,
  telemetry: 67,
  mapReport: 73,
} as const

/** To everybody. */
export const BROADCAST = 0xffffffff
