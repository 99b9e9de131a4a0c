import type { Command } from 'commander'
import { readConfig } from '../config.js'
import { openBackend } from './backend.js'
import type { Backend } from './backend.js'
import { addCommand, print, readCount, table } from './command.js'
import { withBroker } from './incidents.js'

interface LoggedEvent {
  id: string
  type: string
  at: string
  incidentId: string
  externalUserId: string
  relayedBy?: { externalUserId: string }
  by?: string
  note?: string
}

/** Who did what when, from the event log: the same that the phones were told of. */
export function addAudit(program: Command, environment: NodeJS.ProcessEnv): void {
  withBroker(
    addCommand(program, 'audit', 'Who did what when: reports, acknowledgements, cancels, resolves', [
      'audit --app my-app',
      'audit --app my-app --incident 5f0c… --json',
    ]),
  )
    .option('--incident <id>', 'of one incident only')
    .option('--limit <count>', 'the newest so many', '1000')
    .action(
      async (options: { app?: string; url?: string; json?: boolean; incident?: string; limit: string }) => {
        const limit = readCount('--limit', options.limit, 1_000_000)
        const backend = openBackend(readConfig(environment), options)
        const { steps, hasMore } = await readSteps(backend, options.incident, limit)
        print(options, { appId: backend.appId, steps, hasMore }, () => {
          if (steps.length === 0) return 'nothing in the event log'
          const rows = steps.map(({ at, who, what, of, incidentId, note }) => [
            at,
            who,
            what,
            of,
            incidentId,
            note ?? '',
          ])
          const list = table(['WHEN', 'WHO', 'WHAT', 'OF', 'INCIDENT', 'NOTE'], rows)
          return hasMore ? `… and earlier ones: --limit ${limit * 10}\n${list}` : list
        })
      },
    )
}

interface Step {
  at: string
  who: string
  what: string
  /** The user whose incident it is. */
  of: string
  incidentId: string
  note?: string
}

/** The newest `limit` steps, oldest first. */
async function readSteps(
  backend: Backend,
  incidentId: string | undefined,
  limit: number,
): Promise<{ steps: Step[]; hasMore: boolean }> {
  const steps: Step[] = []
  let count = 0
  for (let after = '0'; ;) {
    const page = await backend.get<{ events: LoggedEvent[]; next: string }>(
      `/events?limit=${PAGE}&after=${after}`,
    )
    const asked = page.events.filter((event) => incidentId === undefined || event.incidentId === incidentId)
    steps.push(...asked.map(stepOf))
    count += asked.length
    if (steps.length > 2 * limit) steps.splice(0, steps.length - limit)
    if (page.events.length < PAGE) return { steps: steps.slice(-limit), hasMore: count > limit }
    after = page.next
  }
}

function stepOf({ at, type, externalUserId, incidentId, relayedBy, by, note }: LoggedEvent): Step {
  const reporter = relayedBy ? `relayer ${relayedBy.externalUserId}` : `user ${externalUserId}`
  return {
    at,
    who: by ?? reporter,
    what: type === 'processed' ? (relayedBy ? 'relayed a report' : 'reported') : type,
    of: externalUserId,
    incidentId,
    ...(note === undefined ? {} : { note }),
  }
}

const PAGE = 500
