import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { alertOf, nodeInfoOf, positionOf, published, radioSosOf, telemetryOf } from './mesh-gateway.js'
import { encodePosition } from './mesh-packets.js'
import type { PacketFields } from './mesh-packets.js'

/** One publication of a gateway, as it arrives. */
export interface Publication {
  gatewayId: string
  topic: string
  payload: Buffer
  atMs: number
}

/** A wearable and whose it is. */
export interface Wearer {
  name: string
  hardwareId: string
  number: number
  /** Its number after the upgrade to firmware 2.8. */
  renumbered?: number
  /** Mapped by the backend, since its number says nothing of its device. */
  isExplicit: boolean
}

export interface MeshDay {
  wearers: Wearer[]
  /** In the order of arrival. */
  publications: Publication[]
  /** Name of a user → times of his positions, each once. */
  positions: Map<string, string[]>
  /** Name of a user → how many reports his incident has. */
  calls: Map<string, number>
  strangers: number[]
}

export const GATEWAYS = ['!a0000001', '!a0000002', '!a0000003', '!a0000004', '!a0000005']
export const WRONG_KEY = { key: Buffer.alloc(16, 0xee), hash: 77 }
export const COARSE = 3
export const NOT_OK = 7

/**
 * A day of a mesh: 50 wearables, five gateways that hear everything, each packet again from all of them and some of
 * it long after; some upgrade at noon, one has another channel key, two are nobody's, and old packets are played back
 * with new ids. `roundMs` is the time between two positions of a wearable; the day has 24 of them.
 */
export function meshDay({ begin, roundMs }: { begin: number; roundMs: number }): MeshDay {
  const wearers = Array.from({ length: 50 }, (_, i) => wearerOf(i))
  const strangers = [0x7000_0001, 0x7000_0002]
  const publications: Publication[] = []
  const positions = new Map<string, string[]>()
  const calls = new Map<string, number>()
  const frozen: PacketFields[] = []
  const callsMade: PacketFields[] = []

  /** Every gateway has it within two seconds; the third brings it once more 18 minutes later. */
  function air(packet: PacketFields, atMs: number): void {
    GATEWAYS.forEach((gateway, i) => {
      const copy = { ...packet, rssi: -80 - i, snr: 5 - i, hopStart: 3, hopLimit: 3 - (i % 3) }
      for (const delay of i === 2 ? [300, 18 * 60_000] : [i * 400]) {
        const [topic, payload] = published(copy, { gateway })
        publications.push({ gatewayId: gatewayIdOf(gateway), topic, payload, atMs: atMs + delay })
      }
    })
  }

  function call(wearer: Wearer, packets: PacketFields[], atMs: number): void {
    packets.forEach((packet, i) => air(packet, atMs + i * 5_000))
    callsMade.push(...packets)
    calls.set(wearer.name, (calls.get(wearer.name) ?? 0) + 1)
  }

  for (const [i, wearer] of wearers.entries()) {
    const from = wearer.number
    const info = { longName: wearer.name, publicKey: keyOf(i) }
    air(nodeInfoOf(from, info), begin + i * 1_000)
  }
  for (let round = 0; round < 24; round++) {
    for (const [i, wearer] of wearers.entries()) {
      const atMs = begin + round * roundMs + 60_000 + i * 1_000
      const from = round >= 12 ? (wearer.renumbered ?? wearer.number) : wearer.number
      const bits = i === COARSE ? { payload: coarse(atMs) } : {}
      const more = { bitfield: i === NOT_OK ? 0 : 1, ...bits, ...(i === 5 ? { encryptFor: WRONG_KEY } : {}) }
      const packet = positionOf(from, atMs, 40 + i / 100 + round / 1_000, more)
      air(packet, atMs)
      if (i === 5) continue
      if (round === 2) frozen.push(packet)
      const times = positions.get(wearer.name) ?? []
      positions.set(wearer.name, [...times, new Date(Math.floor(atMs / 1_000) * 1_000).toISOString()])
      if (round % 6 === 0) air(telemetryOf(from, atMs, 80 - round), atMs + 500)
    }
    for (const [i, from] of strangers.entries()) {
      const atMs = begin + round * roundMs + 200_000 + i * 1_000
      air(positionOf(from, atMs, 50), atMs)
    }
    const caller = wearers[round * 2] as Wearer
    const from = round >= 12 ? (caller.renumbered ?? caller.number) : caller.number
    const atMs = begin + round * roundMs + 300_000
    if (round % 4 === 0) call(caller, [alertOf(from, atMs)], atMs)
    if (round % 4 === 1 && round !== 1)
      call(caller, [{ ...alertOf(from, atMs, 'sos by text'), port: 1 }], atMs)
    if (round % 4 === 2) {
      // A wearable repeats itself under new packet ids until somebody has heard it.
      const retries = [0, 1, 2].map((retry) =>
        radioSosOf(from, atMs, { device: 0x2000 + round, packetId: 4, retries: retry, sosType: 1 }),
      )
      call(caller, retries, atMs)
    }
    if (round % 4 === 3) call(caller, [{ ...alertOf(from, atMs, 'PANIC detected'), port: 10 }], atMs)
  }
  const stranger = alertOf(strangers[0] as number, begin + 400_000)
  air(stranger, begin + 400_000)
  // Old packets come back in the evening: as they were, and with new ids.
  const evening = begin + 23 * roundMs + 600_000
  for (const [i, packet] of frozen.entries()) {
    air(packet, evening + i * 1_000)
    air({ ...packet, id: 0x4000_0000 + i }, evening + 500 + i * 1_000)
  }
  callsMade.forEach((packet, i) => air(packet, evening + 120_000 + i * 1_000))
  return {
    wearers,
    publications: publications.toSorted((a, b) => a.atMs - b.atMs),
    positions,
    calls,
    strangers,
  }
}

/** Forty are known by their MAC address, ten by the backend's word; every tenth is renumbered at noon. */
function wearerOf(i: number): Wearer {
  const number = 0x1000_0000 + i * 0x0101
  const tail = hex(number).match(/../g)?.join(':') ?? ''
  const isExplicit = i >= 40
  const hardwareId = isExplicit ? `CF:00:00:00:01:${hex(i).slice(-2)}` : `CF:82:${tail}`
  return {
    name: `wearer-${i}`,
    hardwareId: hardwareId.toUpperCase(),
    number,
    isExplicit,
    ...(i % 10 === 0 ? { renumbered: crc32(keyOf(i)) } : {}),
  }
}

function keyOf(i: number): Buffer {
  return createHash('sha256').update(`node ${i}`).digest()
}

function coarse(atMs: number): Buffer {
  return encodePosition({
    latitudeI: 400_300_000,
    longitudeI: 20_000_000,
    timeS: Math.floor(atMs / 1_000),
    precisionBits: 13,
  })
}

export function gatewayIdOf(node: string): string {
  return `gw-${node.slice(-1)}`
}

function hex(number: number): string {
  return number.toString(16).padStart(8, '0')
}
