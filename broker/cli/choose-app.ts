import { readAppsFile } from '../../auth/apps.js'
import type { App } from '../../auth/apps.js'
import { named } from '../setting-error.js'
import { UsageError } from './command.js'

/** @throws UsageError when the file has no such app, SettingError when it cannot be read. */
export function findApp(appsFile: string, appId: string): App {
  const app = named('APPS_FILE', () => readAppsFile(appsFile)).get(appId)
  if (!app) throw new UsageError(`--app: ${appsFile} holds no app ${appId}`)
  return app
}

/** The app that was named, or the only one there is. */
export function chooseApp(appsFile: string, appId: string | undefined): App {
  if (appId !== undefined) return findApp(appsFile, appId)
  const [only, ...others] = named('APPS_FILE', () => readAppsFile(appsFile)).values()
  if (!only) throw new UsageError(`${appsFile} holds no app yet: connect-broker apps add <appId>`)
  if (others.length > 0)
    throw new UsageError(`--app: which one? ${[only, ...others].map((app) => app.appId).join(', ')}`)
  return only
}
