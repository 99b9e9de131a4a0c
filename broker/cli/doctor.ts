import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { checkConfig } from '../check-config.js'
import { readConfig } from '../config.js'
import { readEndpoint } from '../doctor/endpoints.js'
import type { Endpoint } from '../doctor/endpoints.js'
import type { Finding } from '../doctor/finding.js'
import { named } from '../setting-error.js'
import { chooseApp } from './choose-app.js'
import { addCommand, print, printable, table, UsageError } from './command.js'

interface Options {
  app?: string
  url: string[]
  name?: string
  ca?: string
  sos: boolean
  json?: boolean
}

/** Goes the way of a phone and says what works. */
export function addDoctor(program: Command, environment: NodeJS.ProcessEnv): void {
  addCommand(
    program,
    'doctor',
    'Connect through every listener as a signed client, send a drill that is taken back at once, and say what works',
    [
      'doctor',
      'doctor --name broker.example.org',
      'doctor --url wss://broker.example.org/mqtt --url https://broker.example.org',
    ],
  )
    .option('--app <appId>', 'the app to log in to; may be left out when there is one')
    .option(
      '--url <url>',
      'look at this address instead of the listeners; may stand several times',
      collect,
      [],
    )
    .option('--name <host>', 'the name that the certificate must be for, as phones know it')
    .option('--ca <file>', 'trust these authorities too, PEM')
    .option('--no-sos', 'log in and subscribe only')
    .action(async (options: Options) => {
      const findings = await run(environment, options)
      const faults = findings.filter(({ is }) => is === 'fault').length
      print(options, { ok: faults === 0, findings }, () => describe(findings, faults))
      if (faults > 0) process.exitCode = 1
    })
}

async function run(environment: NodeJS.ProcessEnv, options: Options): Promise<Finding[]> {
  const endpoints = options.url.map(toEndpoint)
  const { problems, warnings } = checkConfig(environment)
  const settings: Finding[] = [
    ...problems.map((says): Finding => ({ check: 'settings', is: 'fault', says })),
    ...warnings.map((says): Finding => ({ check: 'settings', is: 'warning', says })),
  ]
  // Without them nobody knows where to connect, and as whom.
  if (problems.length > 0) return settings
  const config = readConfig(environment)
  const { examine } = await import('../doctor/doctor.js')
  const found = await examine({
    config,
    app: chooseApp(config.appsFile, options.app),
    endpoints,
    name: options.name,
    authorities:
      options.ca === undefined ? [] : [named('--ca', () => readFileSync(options.ca as string, 'utf8'))],
    withSos: options.sos,
  })
  return [...settings, ...found]
}

function describe(findings: Finding[], faults: number): string {
  const rows = findings.map(({ check, is, says }) => [
    is === 'ok' ? 'ok' : is.toUpperCase(),
    check,
    printable(says),
  ])
  const verdict = faults === 0 ? 'no fault found' : faults === 1 ? '1 fault' : `${faults} faults`
  return `${table(['', 'CHECK', 'WHAT'], rows)}\n\n${verdict}`
}

function toEndpoint(text: string): Endpoint {
  try {
    return readEndpoint(text)
  } catch {
    throw new UsageError(
      `--url: ${printable(text)} is no address such as wss://host/mqtt, ssl://host:8883 or https://host`,
    )
  }
}

function collect(text: string, before: string[]): string[] {
  return [...before, text]
}
