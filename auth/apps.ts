import { chmodSync, existsSync, readFileSync, watchFile, unwatchFile, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Log } from '../ops/log.js'
import {
  APP_ID_LENGTH_MAX,
  CHANNEL_KEY_BYTES_MAX,
  CHANNELS_MAX,
  SECRETS_MAX,
  WEBHOOKS_MAX,
  WORDS_MAX,
} from './app-limits.js'

/** One app as a principal's hash is checked against it. */
export interface App {
  appId: string
  /** One secret, or two while rotating. */
  secrets: string[]
  disabled: boolean
  /** How its radio mesh speaks. */
  mesh?: AppMesh | undefined
  /** Where its events go. */
  webhooks?: AppWebhook[] | undefined
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
  const apps = [{ appId: DEMO_APP_ID, secrets: [createSecret()], disabled: false }]
  writeFileSync(file, `${JSON.stringify({ apps }, null, 2)}\n`, { mode: 0o600 })
  chmodSync(file, 0o600)
  return true
}

/** 256 random bits. */
export function createSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** @throws as openAppRegistry. */
export function readAppsFile(file: string): Map<string, App> {
  return parseApps(readFileSync(file, 'utf8'))
}

/** The apps in a file's text. @throws when it is broken; the message names the place, never a secret. */
export function parseApps(text: string): Map<string, App> {
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

const base64 = z
  .string()
  .regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/, 'is no Base64')
  .transform((text) => Buffer.from(text, 'base64'))
  .refine((key) => key.length <= CHANNEL_KEY_BYTES_MAX, 'a channel key has at most 32 bytes')

const words = z.array(z.string().trim().min(1).max(40)).max(WORDS_MAX)

/** What is absent is as the mesh has it by default; see docs/mesh.md. */
const appMesh = z.strictObject({
  channels: z
    .array(z.strictObject({ name: z.string().max(32), key: base64 }))
    .max(CHANNELS_MAX, 'at most 16 channels: a packet is tried with each')
    .default([]),
  sosWords: words.optional(),
  sosSensors: words.optional(),
  /** Port numbers of EIXAM packets, and which ones they are. */
  ports: z
    .record(
      z.string().regex(/^(25[6-9]|2[6-9]\d|[34]\d\d|50\d|51[01])$/, 'is a port from 256 to 511'),
      z.enum(['sos', 'tel']),
    )
    .default({}),
  cancelCloses: z.boolean().default(false),
})

export type AppMesh = z.infer<typeof appMesh>

/** docs/webhooks.md */
const appWebhook = z.strictObject({
  /** Names it for good: how far it has got is kept under this, whatever becomes of the URL. */
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'an id of a web hook has 1 to 64 of A-Z a-z 0-9 _ -'),
  url: z.string().max(2_048).refine(isWebhookUrl, 'is https://…, without a name, a password or a fragment'),
  secrets: z
    .array(z.string().refine(isWebhookSecret, 'is whsec_ and the Base64 of 24 to 64 random bytes'))
    .min(1)
    .max(SECRETS_MAX, 'at most two secrets: the old one and the new one'),
})

export type AppWebhook = z.infer<typeof appWebhook>

/** http: passes here, because whether a target is one of the operator's own networks shows only at its address. */
function isWebhookUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password, hash } = new URL(text)
  return /^https?:$/.test(protocol) && hostname !== '' && username + password + hash === ''
}

/** The form that Standard Webhooks 1.0 asks for. */
function isWebhookSecret(text: string): boolean {
  const [, encoded] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? []
  if (encoded === undefined) return false
  const { length } = Buffer.from(encoded, 'base64')
  return length >= 24 && length <= 64
}

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
      webhooks: z
        .array(appWebhook)
        .max(WEBHOOKS_MAX, 'at most four web hooks')
        .refine((all) => new Set(all.map(({ id }) => id)).size === all.length, 'an id stands twice')
        .optional(),
    }),
  ),
})

/** A change holds on every node within a second. */
const POLL_MS = 500
