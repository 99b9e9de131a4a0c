import type { Metrics } from '../ops/metrics.js'
import type { Store } from '../store/store.js'

/**
 * The same store, with the time that each kind of operation takes in the metrics; failures take time as well. What an
 * operation is given goes on whole: TypeScript lets a method forget a parameter, and nobody would miss it here.
 */
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
      readOpen: (...whose) => timed('incident-read', incidents.readOpen(...whose)),
      read: (...which) => timed('incident-read', incidents.read(...which)),
    },
    users: {
      ...users,
      change: (user, decide) => timed('user-change', users.change(user, decide)),
      ownersOf: (...which) => timed('device-owner-read', users.ownersOf(...which)),
    },
    telemetry: {
      ...telemetry,
      append(...what) {
        // Thousands a second take the same way: one at a time tells as much, and costs the others nothing.
        if (isTelemetryTimed) return telemetry.append(...what)
        isTelemetryTimed = true
        return timed('telemetry-append', telemetry.append(...what), () => (isTelemetryTimed = false))
      },
    },
  }
}
