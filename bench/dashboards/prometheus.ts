import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

export interface Series {
  labels: Record<string, string>
  /** Seconds since 1970 and value. */
  points: [number, number][]
}

export interface Prometheus {
  child: ChildProcess
  /** @throws what Prometheus says about a query that it cannot read. */
  query(expr: string): Promise<Series[]>
  queryRange(expr: string, seconds: number): Promise<Series[]>
  /** State by name of each alert that is pending or firing. */
  alerts(): Promise<Map<string, string>>
}

/** Debian's prometheus in `directory`, which scrapes one broker every second. */
export async function startPrometheus(options: {
  directory: string
  adminPort: number
  alertsFile: string
}): Promise<Prometheus> {
  const { directory, adminPort, alertsFile } = options
  mkdirSync(directory, { recursive: true })
  const configFile = join(directory, 'prometheus.yml')
  // JSON is YAML.
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [alertsFile],
    scrape_configs: [
      { job_name: 'connect-broker', static_configs: [{ targets: [`127.0.0.1:${adminPort}`] }] },
    ],
  }
  writeFileSync(configFile, JSON.stringify(config))
  const port = await findPort()
  const child = spawn(
    'prometheus',
    [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  )
  process.once('exit', () => child.kill('SIGKILL'))
  await once(child, 'spawn')

  async function ask<Data>(path: string): Promise<Data> {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)
    const { status, data, error } = (await response.json()) as { status: string; data: Data; error?: string }
    if (status !== 'success') throw new Error(error)
    return data
  }
  interface Result {
    result: { metric: Record<string, string>; value?: [number, string]; values?: [number, string][] }[]
  }
  const seriesOf = ({ result }: Result): Series[] =>
    result.map(({ metric, value, values }) => ({
      labels: metric,
      points: (values ?? (value ? [value] : [])).map(([at, text]) => [at, Number(text)]),
    }))

  while (child.exitCode === null && !(await isReady(port))) await pause(200)
  if (child.exitCode !== null) throw new Error(`prometheus ended with ${child.exitCode}`)
  return {
    child,
    query: async (expr) => seriesOf(await ask<Result>(`query?query=${encodeURIComponent(expr)}`)),
    async queryRange(expr, seconds) {
      const end = Date.now() / 1000
      const range = `start=${end - seconds}&end=${end}&step=1`
      return seriesOf(await ask<Result>(`query_range?query=${encodeURIComponent(expr)}&${range}`))
    },
    async alerts() {
      const { alerts } = await ask<{ alerts: { labels: { alertname: string }; state: string }[] }>('alerts')
      return new Map(alerts.map(({ labels, state }) => [labels.alertname, state]))
    },
  }
}

async function isReady(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/-/ready`).catch(() => null)
  return response?.ok === true
}

/** Prometheus does not tell which port it took. */
async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
