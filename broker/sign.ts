import { parseArgs } from 'node:util'
import { readAppsFile } from '../auth/apps.js'
import { isExternalUserId, signUser } from '../auth/identity.js'
import { ConfigError, readConfig } from './config.js'

/** `npm run -s sign -- --app demo-app --user alice` prints the signed session of a user on one line. */
function sign(): string {
  const { app: appId, user: externalUserId } = readArguments()
  if (appId === undefined || externalUserId === undefined)
    throw new UsageError('usage: sign --app <appId> --user <externalUserId>')
  if (!isExternalUserId(externalUserId))
    throw new UsageError('--user: an external user id has 1 to 244 bytes')
  const { appsFile } = readConfig(process.env)
  const app = readAppsFile(appsFile).get(appId)
  if (!app) throw new UsageError(`--app: ${appsFile} holds no app ${appId}`)
  // The newest secret stands last while two are live.
  const userHash = signUser(app.secrets.at(-1) as string, externalUserId)
  return JSON.stringify({ appId, externalUserId, userHash })
}

class UsageError extends Error {}

function readArguments(): { app?: string; user?: string } {
  try {
    return parseArgs({ options: { app: { type: 'string' }, user: { type: 'string' } } }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

try {
  process.stdout.write(`${sign()}\n`)
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  const isKnown = error instanceof UsageError || error instanceof ConfigError
  process.stderr.write(
    `${isKnown ? message : `APPS_FILE: ${code ?? message} (start the broker once, it makes one)`}\n`,
  )
  process.exitCode = 1
}
