import type { Metrics } from '../ops/metrics.js'
import type { Store } from '../store/store.js'

/** The same store, with the time that each kind of operation takes in the metrics; failures take time as well. */
export function measureStore<Measured extends Store>(store: Measured, { storeSeconds }: Metrics): Measured {
  let isTelemetryTimed = false

  /** The very promise of the store: a turn later, and a PUBACK would come behind those of later messages. */
  function timed<Result>(
    operation: string,
    work: Promise<Result>,
    onEnd: () => void = () => {},
  ): Promise<Result> {
    const startedAt = performance.now()
    const end = () => {
      storeSeconds.observe({ operation }, (performance.now() - startedAt) / 1000)
      onEnd()
    }
    work.then(end, end)
    return work
  }

  const { incidents, users, telemetry } = store
  return {
    ...store,
    incidents: {
      ...incidents,
      change: (user, reportKeys, decide) =>
        timed('incident-change', incidents.change(user, reportKeys, decide)),
      readOpen: (user) => timed('incident-read', incidents.readOpen(user)),
      read: (appId, incidentId) => timed('incident-read', incidents.read(appId, incidentId)),
    },
    users: {
      ...users,
      change: (user, decide) => timed('user-change', users.change(user, decide)),
      ownersOf: (appId, deviceKey) => timed('device-owner-read', users.ownersOf(appId, deviceKey)),
    },
    telemetry: {
      ...telemetry,
      append(record) {
        // Thousands a second take the same way: one at a time tells as much, and costs the others nothing.
        if (isTelemetryTimed) return telemetry.append(record)
        isTelemetryTimed = true
        return timed('telemetry-append', telemetry.append(record), () => (isTelemetryTimed = false))
      },
    },
  }
}
