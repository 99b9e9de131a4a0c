import type { Command } from 'commander'
import { readConfig } from '../config.js'
import { openBackend } from './backend.js'
import { addCommand, Failure, print, printable, table } from './command.js'
import { withBroker } from './incidents.js'

export interface GatewayView {
  gatewayId: string
  username: string
  note: string
  createdAt: string
  tokens: { createdAt: string }[]
  sessions: { transport: string; version: string; since: string; nodeId: string | null }[]
}

interface Heard {
  gatewayId: string
  lastHeardAt: string
  outcomes: Record<string, number>
  nodes: string[]
}

interface Hint {
  code: string
  text: string
  gatewayId?: string
  node?: string
  channel?: string
  count?: number
}

/** Whether the mesh is heard, and if not why: what an operator looks at first. */
export function addGatewayStatus(gateways: Command, environment: NodeJS.ProcessEnv): void {
  withBroker(
    addCommand(
      gateways,
      'status [id]',
      'What became of what gateways brought to the node that answers, and why nothing arrives',
      ['gateways status', 'gateways status hut-7 --json'],
    ),
  ).action(async (id: string | undefined, options: { app?: string; url?: string; json?: boolean }) => {
    const backend = openBackend(readConfig(environment), options)
    const { gateways: all } = await backend.get<{ gateways: GatewayView[] }>('/gateways')
    const mesh = await backend.get<{ gateways: Heard[]; why: Hint[] }>('/mesh')
    const wanted = all.filter(({ gatewayId }) => id === undefined || gatewayId === id)
    if (id !== undefined && wanted.length === 0) throw new Failure(`${backend.appId} has no gateway ${id}`)
    const shown = wanted.map((gateway) => {
      const heard = mesh.gateways.find(({ gatewayId }) => gatewayId === gateway.gatewayId)
      return { ...gateway, heard: heard ?? null }
    })
    // What concerns a node concerns whichever gateway hears it.
    const told = mesh.why.filter(({ gatewayId }) => !id || gatewayId === undefined || gatewayId === id)
    const why = [...shown.flatMap(hintsOf), ...told]
    print(options, { appId: backend.appId, gateways: shown, why }, () => describe(shown, why))
  })
}

type Shown = GatewayView & { heard: Heard | null }

function hintsOf({ gatewayId, sessions, heard }: Shown): Hint[] {
  if (sessions.length === 0)
    return [
      {
        code: 'not-connected',
        gatewayId,
        text: 'No connection to this node of the broker: compare mqtt.address, mqtt.username and mqtt.password; the log says why a login was refused.',
      },
    ]
  if (heard) return []
  const text = 'Connected, and nothing published: set uplink_enabled on the channel that is to arrive.'
  return [{ code: 'silent', gatewayId, text }]
}

function describe(shown: Shown[], why: Hint[]): string {
  const rows = shown.map(({ gatewayId, sessions, heard }) => [
    gatewayId,
    sessions.map(({ transport, version }) => `${transport} ${version}`).join(', ') || 'no',
    heard?.lastHeardAt ?? 'never',
    heard?.nodes[0] ?? '-',
    countsOf(heard?.outcomes ?? {}),
  ])
  const list =
    rows.length === 0 ? 'none' : table(['GATEWAY', 'CONNECTED', 'HEARD', 'NODE', 'WHAT CAME'], rows)
  if (why.length === 0) return `${list}\n\nNothing speaks against it that the mesh arrives.`
  return [list, '', 'Why nothing arrives:', ...why.map(lineOf)].join('\n')
}

function countsOf(outcomes: Record<string, number>): string {
  const counts = Object.entries(outcomes).map(([outcome, count]) => `${outcome} ${count}`)
  return counts.join(', ') || '-'
}

function lineOf({ code, text, gatewayId, node, channel, count }: Hint): string {
  const about = [gatewayId ?? node, channel, count === undefined ? undefined : `${count}`].filter(Boolean)
  return printable(`- ${code} (${about.join(', ')}): ${text}`)
}
