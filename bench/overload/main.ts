import { parseArgs } from 'node:util'
import { measureOutage } from './outage.js'
import { measureSaturation } from './saturation.js'

const HELP = `Measures what an SOS waits for when too much comes, or when Redis is away.

  npm run overload -- [saturation|outage] [--store embedded|redis] [--seconds 60] [--clients 1000]

Needs two cores and taskset. Exit code 1 when a limit is not held.
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    store: { type: 'string' },
    seconds: { type: 'string' },
    clients: { type: 'string', default: '1000' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

const wanted = (name: string) => positionals.length === 0 || positionals.includes(name)
const results: boolean[] = []
if (wanted('saturation')) {
  for (const store of ['embedded', 'redis'] as const) {
    if (values.store !== undefined && values.store !== store) continue
    // Once with the rate of one connection as it comes, once without: then the broker itself is the limit.
    for (const env of [{}, { TELEMETRY_RATE: '1000000', TELEMETRY_BURST: '1000000' }])
      results.push(
        await measureSaturation({
          store,
          seconds: Number(values.seconds ?? 60),
          clients: Number(values.clients),
          env,
        }),
      )
  }
}
if (wanted('outage')) {
  for (const how of ['stopped', 'frozen'] as const)
    results.push(
      await measureOutage({
        how,
        awaySeconds: Number(values.seconds ?? 30),
        sosPerSecond: 200,
        telemetryPerSecond: 2_000,
      }),
    )
}
process.exit(results.every(Boolean) ? 0 : 1)
