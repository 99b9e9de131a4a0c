import { createPacketReader } from './packet-reader.js'
import { connectBytes, subscribeBytes } from './packets.js'
import type { Identity, PreparedPublish, Version } from './packets.js'
import { openWire } from './wire.js'
import type { Transport } from './wire.js'

/** One MQTT client of the generator. */
export interface LoadClient {
  /** Writes packet id and mark into the prepared bytes and sends them. */
  publish(mark: string): void
  inFlight: number
  sent: number
  acknowledged: number
  refused: number
  reset(): void
}

export interface ClientEvents {
  /** CONNACK 0, and SUBACK where it subscribes. */
  onUp(): void
  onClose(): void
  onAnswer?(packetId: number, isAccepted: boolean): void
  onEvent?(payload: Buffer): void
}

export interface ClientOptions {
  identity: Identity
  transport: Transport
  port: number
  version: Version
  isSubscriber: boolean
  publish: PreparedPublish
}

export function openClient(options: ClientOptions, events: ClientEvents): LoadClient {
  const { identity, transport, port, version, isSubscriber, publish } = options
  let prepared = publish.bytes
  let offset = 0
  let lastPacketId = 0
  const puback = Buffer.of(0x40, 2, 0, 0)
  const read = createPacketReader(version, {
    onConnack(code) {
      if (code !== 0) return wire.reset()
      if (isSubscriber) wire.send(wire.wrap(subscribeBytes(identity.eventFilter, version)).bytes)
      else events.onUp()
    },
    onSuback(code) {
      if (code > 2) return wire.reset()
      events.onUp()
    },
    onPuback(packetId, code) {
      client.inFlight--
      if (code < 0x80) client.acknowledged++
      else client.refused++
      events.onAnswer?.(packetId, code < 0x80)
    },
    onPublish(packetId, payload) {
      events.onEvent?.(payload)
      if (packetId === 0) return
      puback.writeUInt16BE(packetId, 2)
      wire.send(wire.wrap(puback).bytes)
    },
  })
  const wire = openWire({
    transport,
    port,
    onOpen() {
      const wrapped = wire.wrap(Buffer.from(publish.bytes))
      prepared = wrapped.bytes
      offset = wrapped.offset
      wire.send(wire.wrap(connectBytes(identity, version)).bytes)
    },
    onBytes: read,
    onClose: events.onClose,
  })
  const client: LoadClient = {
    inFlight: 0,
    sent: 0,
    acknowledged: 0,
    refused: 0,
    publish(mark) {
      lastPacketId = (lastPacketId % 60_000) + 1
      prepared.writeUInt16BE(lastPacketId, offset + publish.packetIdAt)
      prepared.write(mark, offset + publish.markAt, publish.markLength, 'latin1')
      client.inFlight++
      client.sent++
      wire.send(prepared)
    },
    reset: () => wire.reset(),
  }
  return client
}
