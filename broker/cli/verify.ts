import type { Command } from 'commander'
import { findSecret } from '../../auth/identity.js'
import { hintFor } from '../../auth/login.js'
import { readConfig } from '../config.js'
import { findApp } from './choose-app.js'
import { addCommand, print } from './command.js'

/** Tells an integrator why his server's hash is refused. Asks the apps file, not the broker. */
export function addVerify(program: Command, environment: NodeJS.ProcessEnv): void {
  addCommand(program, 'verify', 'Say whether a hash is right for a user, and if not, what is wrong with it', [
    'verify --app demo-app --user alice --hash 2f0c…',
  ])
    .requiredOption('--app <appId>', 'the app')
    .requiredOption('--user <externalUserId>', 'the user whom the hash is for')
    .requiredOption('--hash <userHash>', "what the partner's server made")
    .action((options: { app: string; user: string; hash: string; json?: boolean }) => {
      const verdict = verify(readConfig(environment).appsFile, options)
      print(options, verdict, () => verdict.says)
      if (!verdict.isRight) process.exitCode = 1
    })
}

function verify(appsFile: string, { app: appId, user, hash }: { app: string; user: string; hash: string }) {
  const app = findApp(appsFile, appId)
  const password = Buffer.from(hash)
  const secret = findSecret({ ...app, disabled: false }, user, password)
  if (secret === null) {
    const why =
      hintFor(password).hint ?? 'it was made with another secret, another algorithm or another user id'
    return { isRight: false, says: `wrong: ${why}` }
  }
  if (app.disabled) return { isRight: false, says: 'right, but the app is disabled: nobody gets in' }
  const isOldest = app.secrets.length > 1 && secret === app.secrets[0]
  const says = isOldest ? 'right, with the older of two secrets: it ends when that one is removed' : 'right'
  return { isRight: true, secret: isOldest ? 'older' : 'newest', says }
}
