import type { MayBeLast, SosReport, TelemetryRecord } from '../../store/store.js'
import type { User } from '../../store/user.js'
import { readTimestamp } from '../payload.js'
import type { MeshGateway } from './mesh-intake.js'
import type { Fix, MeshMessage, SosContent } from './mesh-message.js'
import { freshnessOf, isLate, isLateSos } from './mesh-times.js'
import { nodeIdOf } from '../../store/node-ids.js'

/** What is kept of a message that says where somebody is, or how his device is. */
export function telemetryRecordOf(
  user: User,
  gateway: MeshGateway,
  message: MeshMessage,
  hardwareId: string | undefined,
): TelemetryRecord {
  const { content, times } = message
  const { appId, userId, externalUserId } = user
  const battery = content.is === 'telemetry' ? content.battery : undefined
  const others = 'fields' in content ? content.fields : {}
  return {
    appId,
    userId,
    externalUserId,
    occurredAt: new Date(times.at).toISOString(),
    receivedAt: new Date(times.arrivedAt).toISOString(),
    ...(content.is === 'position' ? { position: placeOf(content.fix) } : {}),
    fields: {
      ...others,
      source: SOURCE,
      ...(hardwareId === undefined ? {} : { hardwareId }),
      ...(battery ? { deviceBattery: battery.percent } : {}),
      mesh: {
        ...viaOf(gateway, message),
        ...(content.is === 'position' ? accuracyOf(content.fix) : {}),
        ...(content.is === 'telemetry' ? deviceFacts(content) : {}),
        ...('radio' in content && content.radio ? { radio: content.radio } : {}),
      },
    },
    ...(isLate(times) ? { isHistory: true } : {}),
  }
}

/**
 * A gateway's position is the last one only when it is newer than the one that is known, whoever reported that. The same
 * packet again is what another broker had from another gateway.
 */
export function mayBeLastOf({ times }: MeshMessage, record: TelemetryRecord): MayBeLast {
  const packet = packetOf(record)
  return (last) => {
    if (!last) return freshnessOf(times, undefined) === 'current' ? 'last' : 'history'
    if (packet !== undefined && packetOf(last) === packet) return 'repeat'
    const lastAt = readTimestamp(last.occurredAt)?.ms ?? Date.parse(last.receivedAt)
    return freshnessOf(times, lastAt) === 'current' ? 'last' : 'history'
  }
}

export function sosReportOf(
  content: SosContent,
  gateway: MeshGateway,
  message: MeshMessage,
  reportKey: string | undefined,
): SosReport {
  const timestamp = new Date(message.times.at).toISOString()
  const { fix, radio, note, raw, fields } = content
  return {
    timestamp,
    ...(reportKey === undefined ? {} : { reportKey }),
    ...(fix ? { position: placeOf(fix), positionAt: timestamp } : {}),
    triggerSource: `mesh-${content.trigger}`,
    source: SOURCE,
    ...(note === undefined ? {} : { message: note.slice(0, NOTE_LENGTH_MAX) }),
    fields: {
      ...fields,
      mesh: {
        ...viaOf(gateway, message),
        ...(fix ? accuracyOf(fix) : {}),
        ...(radio ? { radio } : {}),
        ...(isLateSos(message.times) ? { late: true } : {}),
      },
    },
    ...(raw === undefined ? {} : { raw }),
  }
}

/** Who sent it, who heard it, and how well. */
function viaOf({ gatewayId }: MeshGateway, message: MeshMessage) {
  const { sender, relayedDevice, heardBy, channelName, packetId, hops, snr, rssi, times } = message
  return {
    gatewayId,
    ...(sender.is === 'node' ? { node: sender.nodeId } : { device: sender.hardwareId }),
    ...(relayedDevice === undefined ? {} : { relayedDevice }),
    ...(heardBy === undefined ? {} : { heardBy }),
    ...(channelName === undefined ? {} : { channel: channelName }),
    ...(packetId === 0 ? {} : { packet: nodeIdOf(packetId).slice(1) }),
    ...(hops === undefined ? {} : { hops }),
    ...(rssi === undefined ? {} : { rssi, snr }),
    ...(times.heardAt === undefined ? {} : { heardAt: new Date(times.heardAt).toISOString() }),
    timeToldBy: times.toldBy,
  }
}

function packetOf({ fields }: TelemetryRecord): string | undefined {
  const mesh = fields.mesh as { node?: unknown; packet?: unknown; relayedDevice?: unknown } | undefined
  if (typeof mesh?.node !== 'string' || typeof mesh.packet !== 'string') return undefined
  return `${mesh.node} ${mesh.packet} ${String(mesh.relayedDevice)}`
}

function placeOf({ latitude, longitude, altitude }: Fix) {
  return { latitude, longitude, ...(altitude === undefined ? {} : { altitude }) }
}

function accuracyOf({ latitude: _lat, longitude: _lon, altitude: _alt, ...rest }: Fix) {
  return rest
}

function deviceFacts({
  is: _is,
  fields: _fields,
  ...facts
}: Extract<MeshMessage['content'], { is: 'telemetry' }>) {
  return facts
}

/** What an incident and a record call the way they came. */
const SOURCE = 'gateway'
/** As a phone's message. */
const NOTE_LENGTH_MAX = 4_096
