import type { Command } from 'commander'
import { readConfig } from '../config.js'
import { openBackend } from './backend.js'
import { addCommand, addGroup, print, printable, table } from './command.js'
import { addGatewayStatus } from './gateway-status.js'
import type { GatewayView } from './gateway-status.js'
import { withBroker } from './incidents.js'

interface Options {
  app?: string
  url?: string
  host?: string
  json?: boolean
}

type Values = Record<string, string | number | boolean>

interface Made {
  gateway: GatewayView
  token: string
  settings: { node: Values; channel: Values; wearables: Values; notes: string[] }
}

/** An app's mesh gateways, for whoever sets one up in a hut without a backend at hand. */
export function addGateways(program: Command, environment: NodeJS.ProcessEnv): void {
  const gateways = addGroup(program, 'gateways', 'Mesh gateways of an app, asked of the running broker')
  const open = (options: Options) => openBackend(readConfig(environment), options)

  withBroker(
    addCommand(gateways, 'list', 'Gateways by id', ['gateways list', 'gateways list --json']),
  ).action(async (options: Options) => {
    const backend = open(options)
    const answer = await backend.get<{ gateways: GatewayView[] }>('/gateways')
    print(options, { appId: backend.appId, ...answer }, () =>
      answer.gateways.length === 0
        ? 'none'
        : table(['GATEWAY', 'TOKENS', 'CONNECTIONS', 'MADE', 'NOTE'], answer.gateways.map(row)),
    )
  })

  withSettings(
    addCommand(gateways, 'add <id>', 'Let a gateway in, and print what to type into the node', [
      'gateways add hut-7 --note "roof of the hut" --host mesh.example.org',
    ]),
  )
    .option('--note <text>', 'where it stands, for people')
    .action(async (gatewayId: string, options: Options & { note?: string }) => {
      const { note } = options
      const body = { gatewayId, ...(note === undefined ? {} : { note }) }
      const made = await open(options).post<Made>('/gateways', body)
      print(options, made, () => describe(made, `gateway ${gatewayId} is made`))
    })

  withSettings(
    addCommand(gateways, 'rotate <id>', 'One more token; the one before it stays good', [
      'gateways rotate hut-7',
      'gateways rotate hut-7 --end-old   # the token has leaked',
    ]),
  )
    .option('--end-old', 'end the tokens before it at once, and their connections')
    .action(async (gatewayId: string, options: Options & { endOld?: boolean }) => {
      const body = { endOld: options.endOld ?? false }
      const made = await open(options).post<Made>(`${pathOf(gatewayId)}/rotate`, body)
      const before =
        made.gateway.tokens.length > 1 ? 'the one before it stays good' : 'the ones before it ended'
      print(options, made, () => describe(made, `gateway ${gatewayId} has another token; ${before}`))
    })

  withBroker(
    addCommand(gateways, 'end-old <id>', 'End every token but the newest, once the node has it', [
      'gateways end-old hut-7',
    ]),
  ).action(async (gatewayId: string, options: Options) => {
    const answer = await open(options).delete<{ gateway: GatewayView }>(`${pathOf(gatewayId)}/old-token`)
    print(options, answer, () => `gateway ${gatewayId} has one token`)
  })

  withBroker(
    addCommand(gateways, 'remove <id>', 'Shut a gateway out; what it brought stays', [
      'gateways remove hut-7',
    ]),
  ).action(async (gatewayId: string, options: Options) => {
    await open(options).delete(pathOf(gatewayId))
    print(options, { removed: gatewayId }, () => `gateway ${gatewayId} is shut out`)
  })

  addGatewayStatus(gateways, environment)
}

function withSettings(command: Command): Command {
  return withBroker(command).option(
    '--host <name>',
    'name by which nodes reach the broker, where GATEWAY_ADDRESS does not say it',
  )
}

function pathOf(gatewayId: string): string {
  return `/gateways/${encodeURIComponent(gatewayId)}`
}

function row({ gatewayId, tokens, sessions, createdAt, note }: GatewayView): string[] {
  return [gatewayId, String(tokens.length), String(sessions.length), createdAt, note]
}

function describe({ settings }: Made, what: string): string {
  const { node, channel, wearables, notes } = settings
  return [
    `${what}. mqtt.password is its token: it is shown here and never again.`,
    ...section('Into the node that is the gateway', node),
    ...section('On the gateway, for the channel that is to arrive', channel),
    ...section('Into EVERY WEARABLE, or nothing of it arrives', wearables),
    '',
    'To know:',
    ...notes.map((note) => `- ${printable(note)}`),
  ].join('\n')
}

function section(title: string, values: Values): string[] {
  const rows = Object.entries(values)
  const width = Math.max(...rows.map(([name]) => name.length))
  return [
    '',
    `${title}:`,
    ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${printable(String(value))}`),
  ]
}
