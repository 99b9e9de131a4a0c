import { readFileSync } from 'node:fs'
import type { Log } from '../ops/log.js'
import { writeWhole } from '../ops/write-whole.js'
import type { GatewayRecord, GatewaySet } from '../store/gateways.js'
import type { LastKnown } from './followed-sets.js'

/**
 * The gateways as this node knew them last, with the hashes of their tokens, in a file that nobody else reads. A node
 * of the broker that starts while the store is away can then let them in: what they bring goes to the journal.
 */
export function createGatewaysFile({ file, log }: { file: string; log: Log }): LastKnown<GatewaySet> {
  const kept = read(file)
  let isWriting = false
  let isStale = false

  /** One at a time; what changes meanwhile is written by the next. */
  async function write(): Promise<void> {
    isStale = true
    if (isWriting) return
    isWriting = true
    while (isStale) {
      isStale = false
      try {
        const apps = [...kept].map(([appId, { version, gateways }]) => ({
          appId,
          version,
          gateways: [...gateways.values()],
        }))
        await writeWhole(file, JSON.stringify({ apps }))
      } catch (error) {
        log.warn(
          { file, reason: (error as Error).message },
          'the known gateways could not be written to disk',
        )
      }
    }
    isWriting = false
  }

  return {
    load: (appId) => kept.get(appId) ?? null,
    save(appId, set) {
      kept.set(appId, set)
      void write()
    },
  }
}

/** Nothing where there is no such file, or none that can be read: it is only a help. */
function read(file: string): Map<string, GatewaySet> {
  try {
    const { apps } = JSON.parse(readFileSync(file, 'utf8')) as {
      apps: { appId: string; version: string; gateways: GatewayRecord[] }[]
    }
    return new Map(
      apps.map(({ appId, version, gateways }) => [
        appId,
        { version, gateways: new Map(gateways.map((gateway) => [gateway.gatewayId, gateway])) },
      ]),
    )
  } catch {
    return new Map()
  }
}
