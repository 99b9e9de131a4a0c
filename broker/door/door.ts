import type { IncomingMessage } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { Log } from '../../ops/log.js'
import type { Metrics } from '../../ops/metrics.js'
import { CLIENT_HELLO_BYTES_MAX, findClientHello } from './client-hello.js'
import { createDoorman } from './doorman.js'
import type { DoorLimits, Visit } from './doorman.js'
import { readFirstBytes } from './first-bytes.js'
import { readForwardedFor } from './forwarded-for.js'
import { createLoopLag } from './loop-lag.js'
import { createNetworks } from './networks.js'
import { PROXY_HEADER_BYTES_MAX, readProxyHeader } from './proxy-protocol.js'
import type { Source } from './proxy-protocol.js'
import { createRefusals } from './refusals.js'
import { createVisitors } from './visitors.js'

export interface DoorOptions {
  /** Whose word about addresses is taken. */
  proxyNetworks: string[]
  limits: DoorLimits
  /** Time from accept to a whole CONNECT, or to the end of the first HTTP headers. */
  connectTimeoutMs: number
  log: Log
  metrics: Metrics
}

/** What a server speaks: HTTP servers may also learn the client's address from a header of HTTP. */
export interface Speaks {
  isTls: boolean
  isHttp: boolean
}

/** Who upgrades to WebSocket, and since when. */
export interface Upgrade {
  source: Source
  since: number
  visit: Visit
}

export type Door = ReturnType<typeof createDoor>

/** What stands before TLS, HTTP and the gate: whose connection it is, and whether there is room for it. */
export function createDoor({ proxyNetworks, limits, connectTimeoutMs, log, metrics }: DoorOptions) {
  const proxies = createNetworks(proxyNetworks)
  const loopLag = createLoopLag()
  const doorman = createDoorman({ limits, isProxy: proxies.has, lagMs: loopLag.lagMs })
  const visitors = createVisitors()
  const refuse = createRefusals({ log, metrics })

  async function accept(socket: Socket, speaks: Speaks, pass: () => void): Promise<void> {
    const { remoteAddress: address, remotePort: port = 0 } = socket
    if (address === undefined) return void socket.destroy() // it left before it was accepted
    socket.on('error', () => {}) // 'close' follows, and says all we need
    let source: Source = { address, port }
    if (proxies.has(address)) {
      const told = await askProxy(socket, source, speaks)
      if (hasEnded(socket)) return void socket.destroy()
      if (!told) return turnAway(socket, 'proxy-header', address)
      source = told
    }
    const admission = doorman.admit(source.address)
    if (admission.is === 'refused') return turnAway(socket, admission.why, source.address)
    const deadline = setTimeout(() => socket.destroy(), connectTimeoutMs)
    visitors.add(socket, { source, visit: admission.visit, since: performance.now(), deadline })
    if (speaks.isTls) {
      const isHello = await readFirstBytes(socket, CLIENT_HELLO_BYTES_MAX, findClientHello)
      if (hasEnded(socket)) return void socket.destroy()
      if (!isHello) return turnAway(socket, 'client-hello', source.address)
    }
    pass()
  }

  /** Null: no header where one must be, or not in time. HTTP has a header of its own for it. */
  async function askProxy(socket: Socket, proxy: Source, { isHttp }: Speaks): Promise<Source | null> {
    const limit = setTimeout(() => turnAway(socket, 'proxy-header', proxy.address), PROXY_HEADER_TIMEOUT_MS)
    const header = await readFirstBytes(socket, PROXY_HEADER_BYTES_MAX, readProxyHeader)
    clearTimeout(limit)
    if (!header) return null
    if (header.is === 'none') return isHttp ? proxy : null
    return header.source ?? proxy
  }

  function turnAway(socket: Socket, why: Parameters<typeof refuse>[0], address: string): void {
    refuse(why, address)
    // A reset: nothing of a refused connection is to stay in the kernel.
    socket.resetAndDestroy()
  }

  /** The client of one HTTP request; null when a proxy of ours does not say. */
  function addressOf({ socket, headers }: IncomingMessage): string | null {
    const address = visitors.of(socket)?.source.address ?? ''
    if (!proxies.has(address)) return address
    const header = headers['x-forwarded-for']
    return readForwardedFor(typeof header === 'string' ? header : undefined, proxies.has)
  }

  return {
    /** Puts itself before what the server does with a new connection. */
    guard(server: Server, speaks: Speaks): void {
      const listeners = server.listeners('connection')
      server.removeAllListeners('connection')
      server.on('connection', (socket: Socket) => {
        void accept(socket, speaks, () => {
          for (const listener of listeners) listener.call(server, socket)
        })
      })
    },
    visitorOf: visitors.of,
    /** How late the event loop runs; above `tooLateMs` nobody gets in. */
    lagMs: loopLag.lagMs,
    tooLateMs: 2 * limits.loopLagMaxMs,
    addressOf,
    /** HTTP headers came whole: from here on the HTTP server's own limits count. */
    hasRequested({ socket }: IncomingMessage): void {
      const visitor = visitors.of(socket)
      if (!visitor) return
      visitor.visit.passed()
      clearTimeout(visitor.deadline)
      visitor.since = null
    },
    /**
     * A WebSocket upgrade is a connection of its own where a proxy told us in HTTP whose it is. Null when it is
     * refused.
     */
    admitUpgrade(request: IncomingMessage): Upgrade | null {
      const visitor = visitors.of(request.socket)
      const address = addressOf(request)
      if (!visitor || address === null) {
        refuse('proxy-header', request.socket.remoteAddress ?? '')
        return null
      }
      const since = visitor.since ?? performance.now()
      if (address === visitor.source.address) return { source: visitor.source, since, visit: visitor.visit }
      const admission = doorman.admit(address)
      if (admission.is === 'admitted') {
        request.socket.once('close', admission.visit.left)
        return { source: { address, port: 0 }, since, visit: admission.visit }
      }
      refuse(admission.why, address)
      return null
    },
    stop(): void {
      doorman.stop()
      loopLag.stop()
    },
  }
}

function hasEnded(socket: Socket): boolean {
  return socket.destroyed || socket.readableEnded
}

/** A proxy sends its header at once. */
const PROXY_HEADER_TIMEOUT_MS = 3_000
