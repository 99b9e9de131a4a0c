import { parseArgs } from 'node:util'
import { ConfigError, readConfig } from './config.js'
import { SignError, signSession } from './sign-session.js'

/** `npm run -s sign -- --app demo-app --user alice` prints the signed session of a user on one line. */
function sign(): string {
  const { app: appId, user: externalUserId } = readArguments()
  if (appId === undefined || externalUserId === undefined)
    throw new UsageError('usage: sign --app <appId> --user <externalUserId>')
  return JSON.stringify(signSession(readConfig(process.env).appsFile, appId, externalUserId))
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
  const isKnown = error instanceof UsageError || error instanceof SignError || error instanceof ConfigError
  process.stderr.write(
    `${isKnown ? message : `APPS_FILE: ${code ?? message} (start the broker once, it makes one)`}\n`,
  )
  process.exitCode = 1
}
