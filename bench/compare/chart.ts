import { init } from 'echarts'
import type { Outcome } from './report.js'
import { SHORT } from './report.js'
import { METRICS, summarize } from './samples.js'
import type { MetricName } from './samples.js'

/** What the chart shows of it all, one small bar chart each. */
const SHOWN: { metric: MetricName; isMoreBetter: boolean }[] = [
  { metric: 'ingest-rate', isMoreBetter: true },
  { metric: 'ingest-cpu', isMoreBetter: false },
  { metric: 'puback-p99', isMoreBetter: false },
  { metric: 'flood-event-p99', isMoreBetter: false },
  { metric: 'connect-rate', isMoreBetter: true },
  { metric: 'idle-tcp', isMoreBetter: false },
]

/** An SVG that needs neither script nor font of its own; undefined when nothing of it was measured. */
export function drawChart({ samples, contenders }: Outcome): string | undefined {
  const panels = SHOWN.flatMap(({ metric, isMoreBetter }) => {
    const bars = contenders.flatMap(({ name }) => {
      const summary = summarize(samples, metric, name)
      return summary
        ? [{ name: SHORT[name], value: Number(summary.median.toFixed(METRICS[metric].digits)) }]
        : []
    })
    return bars.length > 0 ? [{ metric, isMoreBetter, bars }] : []
  })
  if (panels.length === 0) return undefined
  const height = Math.ceil(panels.length / COLUMNS) * PANEL_HEIGHT
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: COLUMNS * PANEL_WIDTH, height })
  const place = (i: number) => ({
    left: (i % COLUMNS) * PANEL_WIDTH,
    top: Math.floor(i / COLUMNS) * PANEL_HEIGHT,
  })
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff', // readable on a dark page too
    title: panels.map(({ metric, isMoreBetter }, i) => ({
      text: METRICS[metric].title,
      subtext: `${METRICS[metric].unit}, ${isMoreBetter ? 'more' : 'less'} is better`,
      textStyle: { fontSize: 14 },
      left: place(i).left + 12,
      top: place(i).top + 10,
    })),
    grid: panels.map((_, i) => ({
      left: place(i).left + 90,
      top: place(i).top + 60,
      width: PANEL_WIDTH - 160,
      height: PANEL_HEIGHT - 75,
    })),
    xAxis: panels.map((_, i) => ({ type: 'value', gridIndex: i, show: false })),
    yAxis: panels.map(({ bars }, i) => ({
      type: 'category',
      gridIndex: i,
      inverse: true,
      data: bars.map(({ name }) => name),
      axisTick: { show: false },
    })),
    series: panels.map(({ bars }, i) => ({
      type: 'bar',
      xAxisIndex: i,
      yAxisIndex: i,
      data: bars.map(({ name, value }) => ({
        value,
        itemStyle: { color: OURS.has(name) ? '#1f77b4' : '#b0b7bf' },
      })),
      label: { show: true, position: 'right' },
    })),
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}

const OURS: Set<string> = new Set([SHORT.embedded, SHORT.redis])
const COLUMNS = 2
const PANEL_WIDTH = 430
const PANEL_HEIGHT = 220
