import {
  encodeEixamSos,
  encodeEnvelope,
  encodeNodeInfo,
  encodePosition,
  encodeTelemetry,
} from './mesh-packets.js'
import type { PacketFields } from './mesh-packets.js'

/** When the mesh of a test begins, in milliseconds since 1970. */
export const BEGIN = Date.parse('2026-05-01T10:00:00Z')

/** A gateway as firmware 2.7 or 2.8 publishes: the topic and the bytes of an envelope. */
export function published(
  packet: PacketFields,
  { gateway = '!a1b2c3d4', channel = 'LongFast', root = 'eixam' } = {},
): [topic: string, payload: Buffer] {
  const topic = `${root}/2/e/${channel}/${gateway}`
  return [topic, encodeEnvelope(packet, { channelName: channel, gatewayId: gateway })]
}

let packetId = 0x1000

/** Fields of packets as wearables send them, each with an id of its own. */
export function positionOf(from: number, atMs: number, latitude: number, more: Partial<PacketFields> = {}) {
  const timeS = Math.floor(atMs / 1_000)
  const payload = encodePosition({
    latitudeI: Math.round(latitude * 1e7),
    longitudeI: 20_000_000,
    altitude: 120,
    timeS,
    precisionBits: 32,
  })
  return { from, id: packetId++, port: 3, payload, heardAtS: timeS, bitfield: 1, ...more }
}

export function telemetryOf(from: number, atMs: number, battery: number, more: Partial<PacketFields> = {}) {
  const timeS = Math.floor(atMs / 1_000)
  return {
    from,
    id: packetId++,
    port: 67,
    payload: encodeTelemetry({ timeS, battery, voltage: 3.7 }),
    heardAtS: timeS,
    bitfield: 1,
    ...more,
  }
}

export function alertOf(from: number, atMs: number, text = 'SOS', more: Partial<PacketFields> = {}) {
  return {
    from,
    id: packetId++,
    port: 11,
    payload: text,
    heardAtS: Math.floor(atMs / 1_000),
    bitfield: 1,
    rssi: -85,
    snr: 7.5,
    hopStart: 3,
    hopLimit: 2,
    ...more,
  }
}

export function nodeInfoOf(
  from: number,
  info: { longName?: string; mac?: string; publicKey?: Buffer },
  more: Partial<PacketFields> = {},
) {
  const { mac, ...rest } = info
  const payload = encodeNodeInfo({
    ...rest,
    ...(mac === undefined ? {} : { mac: Buffer.from(mac.replaceAll(':', ''), 'hex') }),
  })
  return { from, id: packetId++, port: 4, payload, bitfield: 1, ...more }
}

export function radioSosOf(
  from: number,
  atMs: number,
  sos: Parameters<typeof encodeEixamSos>[0],
  more: Partial<PacketFields> = {},
) {
  const heardAtS = Math.floor(atMs / 1_000)
  return { from, id: packetId++, port: 256, payload: encodeEixamSos(sos), heardAtS, bitfield: 1, ...more }
}

/** A wearable's word that its SOS is over, done by its user. */
export function radioCancelOf(from: number, atMs: number, device: number) {
  const payload = Buffer.from([0xe1, 2, device & 0xff, device >> 8])
  return { from, id: packetId++, port: 256, payload, heardAtS: Math.floor(atMs / 1_000), bitfield: 1 }
}
