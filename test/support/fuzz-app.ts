import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { signUser } from '../../auth/identity.js'
import type { Credentials } from './broker.js'

/** The app of the fuzzers. Its secret is always the same, so that inputs of an earlier run still log in. */
const APP = { appId: 'fuzz-app', secrets: ['a secret of the fuzzers alone'], disabled: false }

/** Writes the apps file of a fuzzed broker and returns its path. */
export function writeFuzzApps(directory: string): string {
  const file = join(directory, 'fuzz-apps.json')
  writeFileSync(file, JSON.stringify({ apps: [APP] }), { mode: 0o600 })
  return file
}

export function fuzzCredentials(externalUserId: string): Credentials {
  return {
    appId: APP.appId,
    externalUserId,
    username: `sdk:${APP.appId}:${externalUserId}`,
    password: signUser(APP.secrets[0] as string, externalUserId),
  }
}

/** HTTP Basic of the app's own server. */
export const fuzzBackend = `Basic ${Buffer.from(`${APP.appId}:${APP.secrets[0]}`).toString('base64')}`
