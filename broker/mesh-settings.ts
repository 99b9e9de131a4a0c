import type { App, AppRegistry } from '../auth/apps.js'
import { createChannelKeys } from '../handlers/mesh/channel-crypto.js'
import type { MeshSettings } from '../handlers/mesh/heard-packet.js'
import { SOS_TRIGGERS } from '../handlers/mesh/sos-triggers.js'

/** What the apps file says about an app's mesh, ready for the reader. Made once for each reading of the file. */
export function createMeshSettings(apps: Pick<AppRegistry, 'find'>): (appId: string) => MeshSettings {
  const made = new WeakMap<App, MeshSettings>()
  return (appId) => {
    const app = apps.find(appId)
    if (!app) return NONE
    const settings = made.get(app) ?? settingsOf(app)
    made.set(app, settings)
    return settings
  }
}

function settingsOf({ mesh }: App): MeshSettings {
  const channels = mesh?.channels ?? []
  return {
    channels: createChannelKeys(channels.map(({ name, key }) => ({ name, key: Buffer.from(key, 'base64') }))),
    triggers: {
      words: mesh?.sosWords ?? SOS_TRIGGERS.words,
      sensors: mesh?.sosSensors ?? SOS_TRIGGERS.sensors,
    },
    eixamPorts: new Map([
      ...(mesh?.sosPorts ?? []).map((port) => [port, 'sos'] as const),
      ...(mesh?.telemetryPorts ?? []).map((port) => [port, 'tel'] as const),
    ]),
  }
}

const NONE: MeshSettings = { channels: [], triggers: SOS_TRIGGERS, eixamPorts: new Map() }
