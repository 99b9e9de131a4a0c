/** A metric as a page of /metrics shows it. */
export interface ExposedMetric {
  type: string
  /** Names of the labels of its samples, without `le`. */
  labels: Set<string>
  samples: number
}

/** Everything on a page of /metrics, by name. */
export function readExposed(page: string): Map<string, ExposedMetric> {
  const metrics = new Map<string, ExposedMetric>()
  for (const line of page.split('\n')) {
    const [, named, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? []
    if (named && type) metrics.set(named, { type, labels: new Set(), samples: 0 })
    const [, name, labels = ''] = /^([a-z_0-9]+)(?:\{(.*)\})? \S+$/i.exec(line) ?? []
    const metric = name && (metrics.get(name) ?? metrics.get(name.replace(/_(bucket|sum|count)$/, '')))
    if (!metric) continue
    metric.samples++
    for (const [, label] of labels.matchAll(/([a-z_]+)="(?:[^"\\]|\\.)*"/g))
      if (label !== 'le') metric.labels.add(label as string)
  }
  return metrics
}
