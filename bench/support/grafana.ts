import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One panel of the dashboard with what it asks Prometheus. */
export interface Panel {
  title: string
  type: string
  unit: string
  queries: { expr: string; legend: string }[]
  /** Colors of a stat, each from its value on; the first has none. */
  steps: { color: string; value: number | null }[]
}

interface PanelJson {
  title: string
  type: string
  fieldConfig?: { defaults: { unit: string; thresholds?: { steps: Panel['steps'] } } }
  targets?: { expr: string; legendFormat: string }[]
}

/** The folder with the dashboard and the alert rules. */
export const grafanaFolder = new URL('../../../docs/grafana', import.meta.url).pathname
export const alertsFile = join(grafanaFolder, 'alerts.yaml')

/** Panels of docs/grafana/connect-broker.json; rows have no queries and are left out. */
export function readPanels(): Panel[] {
  const { panels } = JSON.parse(readFileSync(join(grafanaFolder, 'connect-broker.json'), 'utf8')) as {
    panels: PanelJson[]
  }
  return panels.flatMap(({ title, type, fieldConfig, targets }) =>
    targets
      ? [
          {
            title,
            type,
            steps: fieldConfig?.defaults.thresholds?.steps ?? [],
            unit: fieldConfig?.defaults.unit ?? 'none',
            queries: targets.map(({ expr, legendFormat }) => ({ expr, legend: legendFormat })),
          },
        ]
      : [],
  )
}

/** What Grafana would put in for its variables, with all nodes chosen. */
export function fillVariables(expr: string, rateInterval: string): string {
  return expr.replaceAll('$__rate_interval', rateInterval).replaceAll('$node', '.+')
}
