import { readAppsFile } from '../auth/apps.js'
import { isExternalUserId, signUser } from '../auth/identity.js'

/** What was asked for cannot be signed; one line that says which argument is wrong. */
export class SignError extends Error {}

/** A user's signed session, as the partner's server would make it: with the newest secret of the app. */
export function signSession(appsFile: string, appId: string, externalUserId: string) {
  if (!isExternalUserId(externalUserId)) throw new SignError('--user: an external user id has 1 to 244 bytes')
  const app = readAppsFile(appsFile).get(appId)
  if (!app) throw new SignError(`--app: ${appsFile} holds no app ${appId}`)
  // The newest secret stands last while two are live.
  return { appId, externalUserId, userHash: signUser(app.secrets.at(-1) as string, externalUserId) }
}
