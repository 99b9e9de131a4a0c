import type { Command } from 'commander'
import { isDrill } from '../../store/drill-user.js'
import { readConfig } from '../config.js'
import { openBackend } from './backend.js'
import { addCommand, addGroup, operatorName, print, readCount, table, printable } from './command.js'

interface Options {
  app?: string
  url?: string
  json?: boolean
}

interface IncidentView extends Record<string, unknown> {
  id: string
  state: string
  createdAt: string
  updatedAt: string
  reports: number
  latitude?: number
  longitude?: number
  user: { userId: string; externalUserId: string }
}

/** An app's incidents, for the person on duty when the partner's own system is down. */
export function addIncidents(program: Command, environment: NodeJS.ProcessEnv): void {
  const incidents = addGroup(program, 'incidents', 'Incidents of an app, asked of the running broker')
  const open = (options: Options) => openBackend(readConfig(environment), options)

  withBroker(
    addCommand(incidents, 'list', 'Open incidents, newest first', [
      'incidents list',
      'incidents list --all --json',
    ]),
  )
    .option('--all', 'closed ones too')
    .option('--limit <count>', 'how many at most', '100')
    .action(async (options: Options & { all?: boolean; limit: string }) => {
      const limit = readCount('--limit', options.limit, 100_000)
      const backend = open(options)
      const found: IncidentView[] = []
      let cursor: string | null = ''
      while (cursor !== null && found.length < limit) {
        const query: URLSearchParams = new URLSearchParams({
          state: options.all ? 'all' : 'open',
          limit: String(PAGE),
          cursor,
        })
        const page: Page = await backend.get<Page>(`/incidents?${query}`)
        found.push(...page.incidents)
        cursor = page.pagination.next_cursor
      }
      const shown = found.slice(0, limit)
      const hasMore = cursor !== null || found.length > limit
      print(options, { appId: backend.appId, incidents: shown, hasMore }, () => {
        if (shown.length === 0) return 'none'
        const list = table(['INCIDENT', 'STATE', 'SINCE', 'USER', 'POSITION', 'REPORTS'], shown.map(row))
        return hasMore ? `${list}\n… and older ones: --limit ${limit * 10}` : list
      })
    })

  withBroker(
    addCommand(incidents, 'show <id>', 'One incident with its way', ['incidents show 5f0c…']),
  ).action(async (id: string, options: Options) => {
    const answer = await open(options).get<{ incident: IncidentView; trail: object[] }>(pathOf(id))
    print(options, answer, () => describe(answer.incident, answer.trail.length))
  })

  for (const [verb, about] of [
    ['acknowledge', 'Tell the phone, once, that somebody has seen it'],
    ['resolve', 'Close an incident that is over; the phone is told'],
  ] as const) {
    withBroker(
      addCommand(incidents, `${verb} <id>`, about, [`incidents ${verb} 5f0c… --note "ambulance sent"`]),
    )
      .option('--by <name>', 'who does it, for the audit', operatorName())
      .option('--note <text>', 'why, for the audit')
      .action(async (id: string, options: Options & { by: string; note?: string }) => {
        const { by, note } = options
        const body = { by, ...(note === undefined ? {} : { note }) }
        const { incident } = await open(options).post<{ incident: IncidentView }>(
          `${pathOf(id)}/${verb}`,
          body,
        )
        print(options, { incident }, () => `${incident.id} is ${incident.state}`)
      })
  }
}

/** Options of every command that asks the running broker. */
export function withBroker(command: Command): Command {
  return command
    .option('--app <appId>', 'the app; may be left out when there is one')
    .option('--url <url>', 'where the broker answers HTTP; by default where the settings say')
}

interface Page {
  incidents: IncidentView[]
  pagination: { next_cursor: string | null }
}

const PAGE = 50

function pathOf(id: string): string {
  return `/incidents/${encodeURIComponent(id)}`
}

function row({ id, state, createdAt, user, latitude, longitude, reports }: IncidentView): string[] {
  const position = latitude === undefined ? '-' : `${latitude},${longitude}`
  // Who is on duty must not run for the doctor's own.
  const shown = isDrill(user) ? `${state} (drill)` : state
  return [id, shown, createdAt, user.externalUserId, position, String(reports)]
}

function describe({ user, ...incident }: IncidentView, points: number): string {
  const facts = Object.entries({ user: user.externalUserId, userId: user.userId, ...incident })
  return [...facts, ['points of its way', points]]
    .map(
      ([name, value]) => `${name}: ${printable(typeof value === 'string' ? value : JSON.stringify(value))}`,
    )
    .join('\n')
}
