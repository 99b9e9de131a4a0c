import type { Command } from 'commander'
import { readConfig } from '../config.js'
import { openBackend } from './backend.js'
import { addCommand, print, readCount, table } from './command.js'
import { withBroker } from './incidents.js'

interface SessionView {
  sessionId: string
  transport: string
  address: string
  since: string
  user: { userId: string; externalUserId: string }
}

/** Who is connected to one node. */
export function addSessions(program: Command, environment: NodeJS.ProcessEnv): void {
  withBroker(
    addCommand(program, 'sessions', 'Open MQTT sessions of an app on the node that answers, oldest first', [
      'sessions',
      'sessions --app my-app --url http://node-2:8080',
    ]),
  )
    .option('--limit <count>', 'how many at most', '100')
    .action(async (options: { app?: string; url?: string; json?: boolean; limit: string }) => {
      const limit = readCount('--limit', options.limit, 10_000)
      const backend = openBackend(readConfig(environment), options)
      const answer = await backend.get<{ sessions: SessionView[]; count: number }>(`/sessions?limit=${limit}`)
      print(options, { appId: backend.appId, ...answer }, () => {
        const rows = answer.sessions.map(({ user, transport, address, since, sessionId }) => [
          user.externalUserId,
          transport,
          address,
          since,
          sessionId,
        ])
        const list = rows.length === 0 ? 'none' : table(['USER', 'OVER', 'FROM', 'SINCE', 'SESSION'], rows)
        const left = answer.count - rows.length
        return left > 0 ? `${list}\n… and ${left} more` : list
      })
    })
}
