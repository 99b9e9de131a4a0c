import type { Command } from 'commander'
import { readConfig } from '../config.js'
import { openBackend } from './backend.js'
import { addCommand, operatorName, print } from './command.js'
import { withBroker } from './incidents.js'

/** Ends sessions without shutting anybody out: a phone that needs help comes back within two seconds. */
export function addKick(program: Command, environment: NodeJS.ProcessEnv): void {
  withBroker(
    addCommand(program, 'kick', "End a user's sessions on the node that answers; he may come back at once", [
      'kick --user alice',
      'kick --app my-app --user alice --url http://node-2:8080',
    ]),
  )
    .requiredOption('--user <externalUserId>', 'whose sessions')
    .option('--by <name>', 'who does it, for the log', operatorName())
    .action(async (options: { app?: string; url?: string; json?: boolean; user: string; by: string }) => {
      const backend = openBackend(readConfig(environment), options)
      const path = `/users/${encodeURIComponent(options.user)}/kick`
      const { ended } = await backend.post<{ ended: number }>(path, { by: options.by })
      print(options, { appId: backend.appId, externalUserId: options.user, ended }, () =>
        ended === 1 ? '1 session ended' : `${ended} sessions ended`,
      )
    })
}
