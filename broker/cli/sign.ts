import type { Command } from 'commander'
import { readConfig } from '../config.js'
import { signSession } from '../sign-session.js'
import { findApp } from './choose-app.js'
import { addCommand, print } from './command.js'

/** For a try; in production the partner's own server signs. */
export function addSign(program: Command, environment: NodeJS.ProcessEnv): void {
  addCommand(program, 'sign', "Print a user's signed session, made with the app's newest secret", [
    'sign --app demo-app --user alice',
  ])
    .requiredOption('--app <appId>', 'the app')
    .requiredOption('--user <externalUserId>', "the user's id in the partner's own system")
    .action((options: { app: string; user: string; json?: boolean }) => {
      const { appsFile } = readConfig(environment)
      findApp(appsFile, options.app)
      const signed = signSession(appsFile, options.app, options.user)
      print(options, signed, () => JSON.stringify(signed))
    })
}
