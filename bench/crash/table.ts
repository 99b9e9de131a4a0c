import type { Kind } from './plan.js'
import type { CrashRun } from './run.js'

/** The outcome of a run as a table for a terminal or a page. */
export function describeRun(store: string, run: CrashRun): string {
  const { acknowledged, found, unacknowledged, lost, duplicated, overtaken } = run.comparison
  const both = ({ sos, telemetry }: { sos: number; telemetry: number }) =>
    `${sos} sos, ${telemetry} telemetry`
  const kinds = [...new Set(run.recoveries.map(({ kind }) => kind))].toSorted()
  return layOut([
    ['store', store],
    ['cycles', `${run.cycles}`],
    ['SIGKILL', `broker ${run.kills.broker} times, Redis ${run.kills.redis} times`],
    ['acknowledged', both(acknowledged)],
    ['found of these', both(found)],
    ['lost', `${lost}`],
    ['duplicated', `${duplicated}`],
    ['stored without an acknowledgement', both(unacknowledged)],
    ['stored behind a later one of its sender', `${overtaken}`],
    ['copies of events delivered', `${run.delivered}`],
    ['reads answered 503 while ready', `${run.refusedReads}`],
    ['other problems', `${run.problems.length - lost - duplicated}`],
    ['from the signal to the first PUBACK', 'median, max'],
    ...kinds.map((kind): [string, string] => [`  ${kind}`, describeTimes(run, kind)]),
  ])
}

function describeTimes({ recoveries }: CrashRun, wanted: Kind): string {
  const times = recoveries.flatMap(({ kind, ms }) => (kind === wanted ? ms : [])).toSorted((a, b) => a - b)
  return `${times[Math.floor(times.length / 2)]} ms, ${times.at(-1)} ms (${times.length} times)`
}

function layOut(rows: [string, string][]): string {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
}
