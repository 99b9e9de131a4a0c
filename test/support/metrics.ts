import { askAgain } from './ask-again.js'
import type { Broker } from './broker.js'

/** One reading of /metrics: the sum of the samples of a metric that carry all these labels. */
export type Reading = (name: string, labels?: Record<string, string>) => number

export async function readMetrics({ ports }: Broker): Promise<Reading> {
  const response = await fetch(`http://127.0.0.1:${ports.admin}/metrics`)
  const lines = (await response.text()).split('\n')
  return (name, labels = {}) => {
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
    let sum = 0
    for (const line of lines) {
      const sample = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line)
      if (sample?.[1] === name && wanted.every((label) => sample[2]?.includes(label)))
        sum += Number(sample[3])
    }
    return sum
  }
}

/** Reads again and again until the reading fits. Each reading is an answer of the broker, not a wait. */
export async function metricsUntil(broker: Broker, fits: (read: Reading) => boolean): Promise<Reading> {
  for (;;) {
    const read = await readMetrics(broker)
    if (fits(read)) return read
    await askAgain()
  }
}

/** Environment of a broker that `readCollected` is for. */
export const COLLECTS_ON_SIGNAL = {
  NODE_OPTIONS: `--import ${new URL('gc-on-signal.js', import.meta.url).href}`,
}

/** Metrics when the garbage is collected, so that memory is what is really held. */
export async function readCollected(broker: Broker): Promise<Reading> {
  broker.child.kill('SIGUSR2')
  await readMetrics(broker) // the signal was sent before this was asked, so it is handled before the next
  return readMetrics(broker)
}
