import { chmodSync, existsSync, readFileSync, watchFile, unwatchFile, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Log } from '../ops/log.js'
import { APP_ID_LENGTH_MAX, SECRETS_MAX } from './app-limits.js'

/** One app as a principal's hash is checked against it. */
export interface App {
  appId: string
  /** One secret, or two while rotating. */
  secrets: string[]
  disabled: boolean
  mesh?: AppMesh | undefined
}

/** What the app's radio mesh uses; docs/gateways.md. */
export interface AppMesh {
  /** Channels whose packets the broker is to decrypt; keys in base64, of 0 to 32 bytes. */
  channels?: { name: string; key: string }[] | undefined
  /** Private ports of EIXAM packets. */
  sosPorts?: number[] | undefined
  telemetryPorts?: number[] | undefined
  /** What calls for help in a text, and which detection sensors do; both instead of the usual ones. */
  sosWords?: string[] | undefined
  sosSensors?: string[] | undefined
}

export interface AppRegistry {
  find(appId: string): App | undefined
  appIds(): string[]
  /** Calls back after every reload that took. */
  onChange(changed: () => void): void
  /** Reads the file again; a broken one keeps the apps as they are and says so in the log. */
  reload(): void
  stop(): void
}

/**
 * The apps file: `{"apps":[{"appId":"demo-app","secrets":["…"],"disabled":false}]}`, read again when it changes.
 *
 * @throws when the file cannot be read or is broken; the message names the place, never a secret.
 */
export function openAppRegistry({ file, log }: { file: string; log: Log }): AppRegistry {
  let apps = readAppsFile(file)
  const listeners: (() => void)[] = []
  const reload = () => {
    try {
      apps = readAppsFile(file)
      log.info({ file, apps: apps.size }, 'apps file read again')
      for (const changed of listeners) changed()
    } catch (error) {
      log.error({ file, reason: (error as Error).message }, 'apps file is broken; the apps stay as they were')
    }
  }
  // Polling also sees a file that is replaced by rename, as editors and mounted secrets do.
  watchFile(file, { interval: POLL_MS, persistent: false }, reload)
  return {
    find: (appId) => apps.get(appId),
    appIds: () => [...apps.keys()],
    onChange: (changed) => void listeners.push(changed),
    reload,
    stop: () => unwatchFile(file, reload),
  }
}

/** Writes an apps file with the demo app and a random secret unless there is one. True when it was written. */
export function ensureDemoApp(file: string): boolean {
  if (existsSync(file)) return false
  const apps = [{ appId: DEMO_APP_ID, secrets: [randomBytes(32).toString('base64url')], disabled: false }]
  writeFileSync(file, `${JSON.stringify({ apps }, null, 2)}\n`, { mode: 0o600 })
  chmodSync(file, 0o600)
  return true
}

/** @throws as openAppRegistry. */
export function readAppsFile(file: string): Map<string, App> {
  const text = readFileSync(file, 'utf8')
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new Error('not JSON') // the parser's own message would quote the file, secrets and all
  }
  const parsed = appsFile.safeParse(json)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new Error(`${issue?.path.join('.') || 'file'}: ${issue?.message}`)
  }
  const apps = new Map<string, App>()
  for (const app of parsed.data.apps) {
    if (apps.has(app.appId)) throw new Error(`app ${app.appId} stands twice`)
    apps.set(app.appId, app)
  }
  return apps
}

export const DEMO_APP_ID = 'demo-app'

/** Every one may be tried for a packet that none fits. */
const MESH_CHANNELS_MAX = 32

const meshPort = z
  .number()
  .int()
  .min(256, 'a private port is 256 to 511')
  .max(511, 'a private port is 256 to 511')
const appMesh = z.strictObject({
  channels: z
    .array(
      z.strictObject({
        name: z.string().max(32),
        // Its message names no value: this is a secret.
        key: z
          .base64('a channel key is base64')
          .refine((key) => Buffer.from(key, 'base64').length <= 32, 'a channel key has at most 32 bytes'),
      }),
    )
    .max(MESH_CHANNELS_MAX)
    .optional(),
  sosPorts: z.array(meshPort).optional(),
  telemetryPorts: z.array(meshPort).optional(),
  sosWords: z.array(z.string().min(1)).optional(),
  sosSensors: z.array(z.string().min(1)).optional(),
})

// Strict, because a mistyped "disabled" would leave the door open.
const appsFile = z.strictObject({
  apps: z.array(
    z.strictObject({
      appId: z
        .string()
        .min(1)
        .max(APP_ID_LENGTH_MAX)
        .regex(/^[^:\p{Cc}]+$/u, 'an app id holds no colon and no control character'),
      secrets: z
        .array(z.string().min(1))
        .min(1)
        .max(SECRETS_MAX, 'at most two secrets: the old one and the new one'),
      disabled: z.boolean().default(false),
      mesh: appMesh.optional(),
    }),
  ),
})

/** A change holds on every node within a second. */
const POLL_MS = 500
