import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'

/** What the gauges are read from, at each scrape. */
export interface BrokerState {
  appIds: () => string[]
  /** @throws when the store cannot be read. */
  countOpenIncidents: (appId: string) => Promise<number>
  /** Apps whose store takes no writes now. */
  awayApps: () => number
  /** Apps whose event log cannot be read although the store is there. */
  unreadableLogs: () => number
  /** Connections to Redis; none without it. */
  redisConnections: () => { name: string; isUp: boolean }[]
  /** Whether an acknowledgement survives a loss of power. */
  isDurable: () => Promise<boolean>
  loopLagMs: () => number
  /** Telemetry that the broker holds back, and that waits for the store. */
  telemetryLoad: () => { waitingBytes: number; underWay: number }
  /** SOS from the gate until each is stored or refused. */
  sosUnderWay: () => number
  /** End of the TLS certificate that new handshakes get. */
  certificateExpiresAt: () => Date
}

/** Gauges of how things stand, asked for when somebody scrapes. */
export function watchState(registry: Registry, state: BrokerState): void {
  const gauge = <Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    read: (gauge: Gauge<Label>) => void | Promise<void>,
  ) =>
    new Gauge<Label>({
      name: `connect_broker_${name}`,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        await read(this)
      },
    })

  const openIncidents = createLatest(createOpenIncidents(state))
  const isDurable = createLatest(state.isDurable)
  gauge('open_incidents', 'Open incidents of an app, on all nodes', ['app'], async (gauge) => {
    const counts = await openIncidents()
    gauge.reset()
    // Without a store nobody knows: no sample is better than an old one.
    for (const [app, count] of counts ?? []) gauge.set({ app }, count)
  })
  gauge('apps', 'Apps in the apps file', [], (gauge) => gauge.set(state.appIds().length))
  gauge('store_away_apps', 'Apps for which the store takes no writes: the journal has them', [], (gauge) =>
    gauge.set(state.awayApps()),
  )
  gauge('event_log_unreadable_apps', 'Apps whose event log cannot be read: their events wait', [], (gauge) =>
    gauge.set(state.unreadableLogs()),
  )
  gauge(
    'store_durable',
    '1 when an acknowledged SOS survives a loss of power of the store',
    [],
    async (gauge) => gauge.set((await isDurable()) ? 1 : 0),
  )
  gauge('redis_up', 'Whether commands go through this connection to Redis', ['connection'], (gauge) => {
    for (const { name, isUp } of state.redisConnections()) gauge.set({ connection: name }, isUp ? 1 : 0)
  })
  gauge('loop_lag_seconds', 'How late the event loop runs, smoothed; the door refuses by it', [], (gauge) =>
    gauge.set(state.loopLagMs() / 1000),
  )
  gauge('waiting_telemetry_bytes', 'Telemetry that is held back at its connections', [], (gauge) =>
    gauge.set(state.telemetryLoad().waitingBytes),
  )
  gauge('telemetry_under_way', 'Telemetry messages that wait for the store', [], (gauge) =>
    gauge.set(state.telemetryLoad().underWay),
  )
  gauge('sos_under_way', 'SOS that were read from phones and gateways and are not stored yet', [], (gauge) =>
    gauge.set(state.sosUnderWay()),
  )
  gauge(
    'certificate_expires_timestamp_seconds',
    'End of the TLS certificate, in seconds since 1970',
    [],
    (gauge) => gauge.set(state.certificateExpiresAt().getTime() / 1000),
  )
}

/** The first APPS_SHOWN apps by name, and all others together as `(others)`. */
function createOpenIncidents({ appIds, countOpenIncidents }: BrokerState) {
  return async (): Promise<[string, number][]> => {
    const counted = await Promise.all(
      appIds()
        .toSorted()
        .map(async (appId) => [appId, await countOpenIncidents(appId)] as [string, number]),
    )
    const others = counted.slice(APPS_SHOWN)
    const sum = others.reduce((total, [, count]) => total + count, 0)
    return others.length > 0 ? [...counted.slice(0, APPS_SHOWN), ['(others)', sum]] : counted
  }
}

/**
 * The newest answer of `read`, which may take long or fail. A scrape waits WAIT_MS for it, never for one that is slow
 * already, and asks no store again that has not answered. Null when the last answer is older than FRESH_MS.
 */
function createLatest<Value>(read: () => Promise<Value>): () => Promise<Value | null> {
  let latest: { value: Value; at: number } | null = null
  let underWay: Promise<void> | null = null

  async function refresh(): Promise<void> {
    try {
      latest = { value: await read(), at: performance.now() }
    } catch {
      // Readiness says why.
    }
    underWay = null
  }

  return async () => {
    if (!underWay) {
      underWay = refresh()
      let timer: NodeJS.Timeout | undefined
      const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, WAIT_MS)))
      await Promise.race([underWay, limit])
      clearTimeout(timer)
    }
    return latest && performance.now() - latest.at < FRESH_MS ? latest.value : null
  }
}

const WAIT_MS = 100
const FRESH_MS = 15_000
/** A label with more values than this makes a dashboard unreadable and a Prometheus slow. */
const APPS_SHOWN = 50
