import { fillVariables } from '../support/grafana.js'
import type { Panel } from '../support/grafana.js'
import type { Prometheus, Series } from './prometheus.js'

/** The dashboard's panels as a page, drawn from what Prometheus answers; for a look at them without Grafana. */
export async function drawPage(panels: Panel[], prometheus: Prometheus): Promise<string> {
  const drawn = await Promise.all(panels.map((panel) => drawPanel(panel, prometheus)))
  return `<!doctype html><meta charset="utf-8"><title>connect-broker</title><style>${STYLE}</style>
<h1>connect-broker</h1><p>Panels of docs/grafana/connect-broker.json, drawn from the answers of a real Prometheus by
<code>npm run dashboards</code>, without Grafana. The last ${RANGE_SECONDS} seconds of a run with 20 phones; Redis was stopped in them, which is what is red.</p>
<main>${drawn.join('\n')}</main>`
}

async function drawPanel(
  { title, type, unit, queries, steps }: Panel,
  prometheus: Prometheus,
): Promise<string> {
  const found = await Promise.all(
    queries.map(async ({ expr, legend }) => {
      const series = await prometheus.queryRange(fillVariables(expr, '10s'), RANGE_SECONDS)
      return series.map((one) => ({ ...one, name: nameOf(legend, one.labels) }))
    }),
  )
  const all = found.flat()
  if (type === 'stat') {
    const value = all[0]?.points.at(-1)?.[1]
    const color = steps.findLast(({ value: from }) => from === null || (value ?? 0) >= from)?.color
    return `<section class="stat"><h2>${escape(title)}</h2><b class="${color}">${value === undefined ? 'no data' : show(value, unit)}</b></section>`
  }
  return `<section><h2>${escape(title)}</h2>${drawLines(all, unit)}<footer>${all
    .map(({ name, points }, i) => {
      const last = points.at(-1)?.[1] ?? Number.NaN
      return `<span style="color:${colorOf(i)}">${escape(name)} ${show(last, unit)}</span>`
    })
    .join(' ')}</footer></section>`
}

function drawLines(all: Series[], unit: string): string {
  const end = Date.now() / 1000
  const finite = all.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite)
  const top = Math.max(...finite, 1e-9)
  const lines = all.map(({ points }, i) => {
    const path = points
      .filter(([, value]) => Number.isFinite(value))
      .map(
        ([at, value]) =>
          `${(WIDTH * (1 - (end - at) / RANGE_SECONDS)).toFixed(1)},${(HEIGHT * (1 - value / top)).toFixed(1)}`,
      )
    return `<polyline points="${path.join(' ')}" fill="none" stroke="${colorOf(i)}" stroke-width="1.5"/>`
  })
  return `<svg viewBox="-2 -12 ${WIDTH + 4} ${HEIGHT + 16}"><text x="0" y="-3">${show(top, unit)}</text>${lines.join('')}</svg>`
}

function nameOf(legend: string, labels: Record<string, string>): string {
  return legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? '')
}

function show(value: number, unit: string): string {
  if (!Number.isFinite(value)) return '–'
  if (unit === 's') return value < 1 ? `${(value * 1000).toPrecision(3)} ms` : `${value.toPrecision(3)} s`
  if (unit === 'bytes') return `${(value / 1024 / 1024).toPrecision(3)} MiB`
  if (unit === 'percentunit') return `${(value * 100).toPrecision(3)} %`
  return `${Number(value.toPrecision(3))}${unit === 'ops' ? '/s' : ''}`
}

function colorOf(index: number): string {
  return `hsl(${(index * 67 + 140) % 360} 65% 62%)`
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

const RANGE_SECONDS = 50
const WIDTH = 380
const HEIGHT = 110
const STYLE = `body{background:#111217;color:#ccd;font:13px sans-serif;margin:16px}h1{font-size:18px}h2{font-size:12px;margin:0 0 6px;font-weight:600}
main{display:grid;grid-template-columns:repeat(6,1fr);gap:8px}section{grid-column:span 2;background:#1c1e24;border-radius:4px;padding:8px}
.stat{grid-column:span 1}.stat b{font-size:22px}.green{color:#7c6}.red{color:#f56}.blue{color:#6af}footer{font-size:11px}footer span{margin-right:8px}svg text{fill:#889;font-size:10px}svg{width:100%}`
