import { useEffect, useState } from 'preact/hooks'
import { appPath, getJson } from './api.js'
import { WebHooks } from './hooks.js'
import { store } from './state.js'
import { useNow, useStore } from './store.js'
import { age, say } from './text.js'
import type { AppTraffic } from './wire.js'

interface Gateway {
  gatewayId: string
  note: string
  sessions: { lastPublicationAt: string | null; nodeId: string | null; transport: string }[]
}

interface Mesh {
  why: { code: string; text: string; gatewayId?: string; node?: string; channel?: string; count?: number }[]
}

interface Heard {
  traffic: AppTraffic
  gateways: Gateway[]
  mesh: Mesh
  unclaimed: number
}

/** What comes in and by which way, and what keeps the rest from coming. */
export function Reception() {
  const session = useStore(store, (state) => state.session)
  if (session === null || session === 'unknown') return null
  return (
    <div class="reception">
      {session.apps.map((appId) => (
        <AppReception key={appId} appId={appId} />
      ))}
    </div>
  )
}

function AppReception({ appId }: { appId: string }) {
  const [heard, setHeard] = useState<Heard | null>(null)
  const [trouble, setTrouble] = useState('')
  const now = useNow(1_000) + store.get().clockAhead
  useEffect(() => {
    const read = () =>
      void readHeard(appId).then(
        (all) => {
          setHeard(all)
          setTrouble('')
        },
        (error: Error) => setTrouble(error.message),
      )
    read()
    const timer = setInterval(read, 5_000)
    return () => clearInterval(timer)
  }, [appId])
  if (!heard) return <p class="hint">{trouble || say('loading')}</p>
  const { traffic, gateways, mesh, unclaimed } = heard
  const why = [
    ...(trouble ? [trouble] : []),
    ...(traffic.sessions === 0 ? [say('noSessions')] : []),
    ...(traffic.lastTelemetryAt === null ? [say('noTelemetry')] : []),
  ]
  return (
    <section aria-label={appId}>
      <h2>{appId}</h2>
      <h3>{say('why')}</h3>
      <ul>
        {why.map((text) => (
          <li key={text}>{text}</li>
        ))}
        {mesh.why.map(({ code, text, gatewayId, node, channel, count }) => (
          <li key={`${code} ${gatewayId} ${node} ${channel}`} lang="en">
            {[gatewayId, node, channel, count === undefined ? undefined : `${count}×`]
              .filter(Boolean)
              .join(' ')}{' '}
            {text}
          </li>
        ))}
        {why.length + mesh.why.length === 0 && <li>{say('nothingWrong')}</li>}
      </ul>
      <h3>{say('phones')}</h3>
      <p>
        {say('sessions')}: {traffic.sessions}
        {traffic.lastTelemetryAt !== null && ` · ${say('lastTelemetry', age(traffic.lastTelemetryAt, now))}`}
      </p>
      <h3>{say('gateways')}</h3>
      {gateways.length === 0 && <p>{say('noGateways')}</p>}
      <ul>
        {gateways.map(({ gatewayId, note, sessions }) => {
          const last = sessions
            .flatMap(({ lastPublicationAt }) => lastPublicationAt ?? [])
            .toSorted()
            .at(-1)
          return (
            <li key={gatewayId}>
              <strong>{gatewayId}</strong> {note} ·{' '}
              {sessions.length === 0 ? say('neverConnected') : `${say('connected')} (${sessions.length})`}
              {last !== undefined && ` · ${say('lastHeard', age(last, now))}`}
            </li>
          )
        })}
      </ul>
      {unclaimed > 0 && <p>{say('nodes', unclaimed)}</p>}
      <WebHooks appId={appId} now={now} />
    </section>
  )
}

async function readHeard(appId: string): Promise<Heard> {
  const [traffic, { gateways }, mesh, { nodes }] = await Promise.all([
    getJson<AppTraffic>(appPath(appId, 'traffic')),
    getJson<{ gateways: Gateway[] }>(appPath(appId, 'gateways')),
    getJson<Mesh>(appPath(appId, 'mesh')),
    getJson<{ nodes: unknown[] }>(appPath(appId, 'nodes?state=unclaimed&limit=200')),
  ])
  return { traffic, gateways, mesh, unclaimed: nodes.length }
}
