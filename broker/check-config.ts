import { X509Certificate } from 'node:crypto'
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { readAppsFile } from '../auth/apps.js'
import { daysLeft, readCertificate } from './certificate.js'
import { readSettings, SETTINGS } from './config.js'
import type { Values } from './config.js'
import { maskSetting } from './mask-setting.js'
import { named, SettingError } from './setting-error.js'
import { findUnknownVariables } from './unknown-variables.js'

export interface ConfigReport {
  /** Everything that would keep the broker from starting; one line each, which names the variable and never a secret. */
  problems: string[]
  /** What it would start with all the same, and somebody should look at. */
  warnings: string[]
  settings: { name: string; value: string; from: 'default' | 'environment' | 'file' }[]
  /** In plain words. */
  runs: string[]
}

/**
 * What would run with these variables: looks at every setting and at the files they name, and changes nothing. Ports are
 * not opened and Redis is not asked: the broker may be running.
 */
export function checkConfig(environment: NodeJS.ProcessEnv): ConfigReport {
  const { values, problems } = readSettings(environment)
  const warnings = findUnknownVariables(environment).map(
    ({ variable, meant }) => `${variable}: is no setting and changes nothing; ${meant} is one`,
  )
  const runs: string[] = []
  const look = { values, problems: [...problems], warnings, runs }
  describeListeners(look)
  checkCertificate(look)
  checkApps(look)
  checkDataDir(look)
  describeStore(look)
  const settings = Object.keys(SETTINGS).flatMap((name) => describeSetting(environment, name))
  return { problems: look.problems, warnings, settings, runs }
}

interface Look {
  values: Partial<Values>
  problems: string[]
  warnings: string[]
  runs: string[]
}

function describeListeners({ values, runs, warnings }: Look): void {
  const where = (port: unknown, host: unknown) =>
    port === null ? 'off' : port === undefined ? '?' : `${host}:${port === 0 ? 'any free port' : port}`
  for (const [what, port] of [
    ['MQTT', values.MQTT_PORT],
    ['MQTT over TLS', values.MQTTS_PORT],
    ['HTTP and ws', values.HTTP_PORT],
    ['HTTPS and wss', values.HTTPS_PORT],
  ] as const)
    runs.push(`${what}: ${where(port, values.HOST)}`)
  runs.push(`admin: ${where(values.ADMIN_PORT, values.ADMIN_HOST)}`)
  if (values.MQTTS_PORT === null && values.HTTPS_PORT === null)
    warnings.push('MQTTS_PORT, HTTPS_PORT: both off; released apps connect over TLS only')
}

function checkCertificate({ values, problems, warnings, runs }: Look): void {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = values as Partial<Record<string, string>>
  if (certFile === undefined || keyFile === undefined) {
    if (certFile === keyFile) {
      runs.push('certificate: self-signed, made by the broker')
      warnings.push('TLS_CERT_FILE: not set; phones do not trust the self-signed certificate')
    }
    return
  }
  const unreadable = [
    problemOf(() => named('TLS_CERT_FILE', () => readFileSync(certFile))),
    problemOf(() => named('TLS_KEY_FILE', () => readFileSync(keyFile))),
  ].filter((problem) => problem !== null)
  const problem = unreadable.length > 0 ? null : problemOf(() => readCertificate({ certFile, keyFile }))
  problems.push(...unreadable, ...(problem === null ? [] : [problem]))
  if (unreadable.length > 0 || problem !== null) return
  const cert = readFileSync(certFile)
  const { subjectAltName, validTo } = new X509Certificate(cert)
  runs.push(`certificate: ${subjectAltName ?? 'without a name'}, until ${validTo}`)
  const days = daysLeft(cert, new Date())
  if (days < 0) warnings.push(`TLS_CERT_FILE: expired on ${validTo}; no phone connects`)
  else if (days < 14) warnings.push(`TLS_CERT_FILE: expires in ${days} days`)
}

function checkApps({ values, problems, warnings, runs }: Look): void {
  const dataDir = values.DATA_DIR as string | undefined
  const given = values.APPS_FILE as string | undefined
  const file = given ?? (dataDir === undefined ? undefined : join(dataDir, 'apps.json'))
  if (file === undefined) return
  if (!existsSync(file)) {
    runs.push('apps: none yet; a demo app would be made')
    if (given !== undefined) warnings.push('APPS_FILE: does not exist; one with a demo app would be made')
    return
  }
  const problem = problemOf(() => {
    const apps = [...named('APPS_FILE', () => readAppsFile(file)).values()]
    runs.push(
      `apps: ${apps.map(({ appId, disabled }) => (disabled ? `${appId} (disabled)` : appId)).join(', ')}`,
    )
    if ((statSync(file).mode & 0o007) !== 0)
      warnings.push('APPS_FILE: everybody on this machine may read the secrets in it; chmod 600')
  })
  if (problem !== null) problems.push(problem)
}

function checkDataDir({ values, problems, runs }: Look): void {
  const dataDir = values.DATA_DIR as string | undefined
  if (dataDir === undefined) return
  runs.push(`data: ${resolve(dataDir)}`)
  const problem = problemOf(() =>
    named('DATA_DIR', () => {
      let there = resolve(dataDir)
      while (!existsSync(there)) there = dirname(there)
      if (!statSync(there).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' })
      accessSync(there, constants.W_OK | constants.X_OK)
    }),
  )
  if (problem !== null) problems.push(problem)
}

function describeStore({ values, runs }: Look): void {
  const url = values.REDIS_URL as string | undefined
  runs.push(
    url === undefined ? 'store: embedded, one node' : `store: Redis, ${maskSetting('REDIS_URL', url)}`,
  )
}

function describeSetting(environment: NodeJS.ProcessEnv, name: string): ConfigReport['settings'] {
  const { fallback } = SETTINGS[name as keyof typeof SETTINGS] as { fallback?: string }
  const given = environment[name]?.trim()
  if (given) return [{ name, value: maskSetting(name, given), from: 'environment' }]
  const file = `${name}_FILE` in SETTINGS ? undefined : environment[`${name}_FILE`]
  if (file) {
    const content = tryToRead(file)
    return [{ name, value: content === null ? '?' : maskSetting(name, content), from: 'file' }]
  }
  return fallback === undefined ? [] : [{ name, value: fallback, from: 'default' }]
}

function tryToRead(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return null
  }
}

function problemOf(look: () => unknown): string | null {
  try {
    look()
    return null
  } catch (error) {
    if (error instanceof SettingError) return error.message
    throw error
  }
}
