import { createServer as createHttpServer } from 'node:http'
import type { IncomingMessage, RequestListener, Server as HttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer } from 'node:tls'
import type { Server as TlsServer } from 'node:tls'
import type { Log } from '../ops/log.js'
import type { Metrics } from '../ops/metrics.js'
import { ANY_CLIENT } from './certificate.js'
import type { Port } from './config.js'
import type { Admission } from './gate/admission.js'
import type { ReadingTurns } from './gate/reading-turns.js'
import type { UnderWay } from './gate/taking.js'
import type { Door, Upgrade } from './door/door.js'
import { Gate } from './gate/gate.js'
import type { GateLimits, GateOptions, Transport } from './gate/gate-options.js'
import { SettingError } from './setting-error.js'
import { acceptWebSockets } from './websocket.js'

export interface ListenersOptions {
  host: string
  ports: Record<'mqtt' | 'mqtts' | 'http' | 'https', Port>
  certificate: { cert: Buffer; key: Buffer }
  limits: GateLimits
  door: Door
  /** Origins of pages that may open a WebSocket. */
  webSocketOrigins: string[]
  isPaced: (topicName: string) => boolean
  admission: Admission
  turns: ReadingTurns
  underWay: UnderWay
  /** A connection whose CONNECT passed the gate. */
  onConnect: (gate: Gate) => void
  /** See GateOptions. */
  onPublish: GateOptions['onPublish']
  onRequest: RequestListener
  log: Log
  metrics: Metrics
}

/** Real ports of the listeners that are open. */
export type OpenPorts = Partial<Record<'mqtt' | 'mqtts' | 'http' | 'https', number>>

/** tcp, tls, http+ws, https+wss: every byte stream that comes in is put behind a gate of its own. */
export function createListeners(options: ListenersOptions) {
  const { host, ports, certificate, limits, door, log, metrics } = options
  const tls = {
    ...certificate,
    ...ANY_CLIENT,
    minVersion: 'TLSv1.2' as const,
    handshakeTimeout: limits.connectTimeoutMs,
  }
  const gates = new Set<Gate>()
  const opened = new Set<keyof OpenPorts>()
  const nextSessionId = createSessionIds()
  let telemetryAcknowledged = 0

  function open(wire: Duplex, transport: Transport, { source, since, visit }: Upgrade): Gate {
    const connectTimeoutMs = Math.max(1, limits.connectTimeoutMs - (performance.now() - since))
    const gate = new Gate({
      wire,
      origin: { transport, ...source },
      sessionId: nextSessionId(),
      limits: { ...limits, connectTimeoutMs },
      isPaced: options.isPaced,
      admission: options.admission,
      turns: options.turns,
      underWay: options.underWay,
      onConnect(gate) {
        visit.passed()
        metrics.connections.dec({ transport, version: versionOf(null) })
        metrics.connections.inc({ transport, version: versionOf(gate) })
        options.onConnect(gate)
      },
      onPublish: options.onPublish,
      onSilence: () => metrics.sessionsEnded.inc({ reason: 'keep-alive' }),
      onDropped(gate, count) {
        metrics.messages.inc({ kind: 'telemetry', outcome: 'dropped' }, count)
        log.warn(
          { sessionId: gate.sessionId, count },
          'telemetry of a lost connection dropped: too much waits',
        )
      },
      onAcknowledged(isPaced, afterMs) {
        // Thousands a second: every eighth tells as much.
        if (isPaced && telemetryAcknowledged++ % 8 > 0) return
        metrics.pubackSeconds.observe({ kind: isPaced ? 'telemetry' : 'sos' }, afterMs / 1000)
      },
      onViolation: ({ sessionId, origin }, { clause, message }) => {
        metrics.violations.inc({ clause })
        log.warn({ sessionId, ...origin, clause, reason: message }, 'connection ended: protocol violated')
      },
    })
    gates.add(gate)
    metrics.connections.inc({ transport, version: versionOf(null) })
    gate.once('close', () => {
      gates.delete(gate)
      metrics.connections.dec({ transport, version: versionOf(gate) })
    })
    return gate
  }

  const logFailedHandshake = ({ message }: Error, { remoteAddress }: Socket) =>
    log.debug({ address: remoteAddress, reason: message }, 'tls handshake failed')
  const acceptSocket = (transport: Transport) => (socket: Socket) => {
    socket.setNoDelay(true)
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS)
    const visitor = door.visitorOf(socket)
    if (!visitor) return void socket.destroy() // it left before it was accepted
    clearTimeout(visitor.deadline)
    const { source, visit, since } = visitor
    open(socket, transport, { source, visit, since: since ?? performance.now() })
  }
  const acceptStream =
    (transport: Transport) =>
    (wire: Duplex, { socket }: IncomingMessage, upgrade: Upgrade) => {
      socket.setNoDelay(true)
      socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS)
      clearTimeout(door.visitorOf(socket)?.deadline)
      return open(wire, transport, upgrade)
    }

  const httpLimits = {
    headersTimeout: limits.connectTimeoutMs,
    requestTimeout: Math.max(REQUEST_TIMEOUT_MS, limits.connectTimeoutMs),
    connectionsCheckingInterval: Math.min(1_000, limits.connectTimeoutMs),
    maxHeaderSize: HEADER_BYTES_MAX,
  }
  const onRequest: RequestListener = (request, response) => {
    door.hasRequested(request)
    options.onRequest(request, response)
  }
  const http = createHttpServer(httpLimits, onRequest)
  const https = createHttpsServer({ ...tls, ...httpLimits }, onRequest)
  const webSocketRules = {
    frameBytesMax: limits.packetBytesMax,
    connectBytesMax: limits.connectBytesMax,
    origins: options.webSocketOrigins,
    admit: door.admitUpgrade,
  }
  acceptWebSockets(http, { ...webSocketRules, onConnection: acceptStream('ws') })
  acceptWebSockets(https as unknown as HttpServer, { ...webSocketRules, onConnection: acceptStream('wss') })
  const servers: Record<keyof OpenPorts, Server> = {
    // Half-open: a client that sends its FIN right behind its SOS still gets its PUBACK.
    mqtt: createTcpServer({ allowHalfOpen: true }, acceptSocket('tcp')),
    mqtts: createTlsServer({ ...tls, allowHalfOpen: true }, acceptSocket('tls')),
    http,
    https,
  }
  servers.mqtts.on('tlsClientError', (error: Error, socket: Socket) => {
    logFailedHandshake(error, socket)
    socket.destroy() // https does so itself; tls leaves a socket open whose handshake took too long
  })
  https.on('tlsClientError', logFailedHandshake)
  door.guard(servers.mqtt, { isTls: false, isHttp: false })
  door.guard(servers.mqtts, { isTls: true, isHttp: false })
  door.guard(http, { isTls: false, isHttp: true })
  door.guard(https, { isTls: true, isHttp: true })

  return {
    /** @throws with the variable and the reason when a port cannot be opened. */
    async start(): Promise<OpenPorts> {
      const open: OpenPorts = {}
      for (const name of ['mqtt', 'mqtts', 'http', 'https'] as const) {
        const port = ports[name]
        if (port === null) continue
        open[name] = await listen(servers[name], host, port, `${name.toUpperCase()}_PORT`)
        opened.add(name)
      }
      return open
    },
    /** Ports that were opened and are not open any more. */
    closed: () => [...opened].filter((name) => !servers[name].listening),
    /** For handshakes from here on; sessions that are open keep theirs. */
    useCertificate({ cert, key }: ListenersOptions['certificate']): void {
      for (const server of [servers.mqtts as TlsServer, https]) server.setSecureContext({ ...tls, cert, key })
    },
    /** Takes no new connections from here on. */
    stopAccepting(): void {
      for (const server of Object.values(servers)) server.close()
      http.closeIdleConnections()
      https.closeIdleConnections()
    },
    /** Ends what is still open. */
    stop(): void {
      for (const gate of gates) gate.destroy()
      http.closeAllConnections()
      https.closeAllConnections()
    },
  }
}

/** @throws with the variable and the reason when the port cannot be opened. */
export async function listen(server: Server, host: string, port: number, variable: string): Promise<number> {
  const hostVariable = variable === 'ADMIN_PORT' ? 'ADMIN_HOST' : 'HOST'
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const { code } = error
      const isAddress = code === 'ENOTFOUND' || code === 'EADDRNOTAVAIL' || code === 'EINVAL'
      if (isAddress)
        return reject(new SettingError(hostVariable, `no address of this machine (${code})`, error))
      const why = code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be opened (${code})`
      reject(new SettingError(variable, `port ${port} on ${host} ${why}`, error))
    })
    server.listen({ host, port, backlog: BACKLOG }, resolve)
  })
  return (server.address() as AddressInfo).port
}

/** As the specification calls it; none before CONNECT. */
function versionOf(gate: Gate | null): string {
  return gate?.connect ? { 3: '3.1', 4: '3.1.1', 5: '5.0' }[gate.connect.version] : 'none'
}

/** Never the same twice, in this process or another: in Redis one names a QoS 2 handshake. */
function createSessionIds(): () => string {
  const process = crypto.randomUUID().slice(0, 13)
  let count = 0
  return () => `${process}-${(count++).toString(36)}`
}

// A whole request of an SDK is a few KiB; a mobile network brings that in less.
const REQUEST_TIMEOUT_MS = 15_000
// The SDK sends about 1 KiB of headers.
const HEADER_BYTES_MAX = 8_192
// Finds phones that vanished although their keep alive is 0; the kernel asks, so it costs us nothing.
const TCP_KEEP_ALIVE_MS = 60_000
// After a restart every phone comes back within two seconds.
const BACKLOG = 4_096
