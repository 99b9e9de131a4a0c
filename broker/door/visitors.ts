import type { Socket } from 'node:net'
import type { Visit } from './doorman.js'
import type { Source } from './proxy-protocol.js'

/** A connection that the door let in. */
export interface Visitor {
  /** Who it is: told by the proxy where there is one. */
  source: Source
  visit: Visit
  /** When it was accepted, in performance.now() milliseconds; null once it has made a whole HTTP request. */
  since: number | null
  /** Destroys the connection unless the next stage takes over in time. */
  deadline: NodeJS.Timeout
}

/**
 * Which visitor a socket belongs to, by the kernel's four numbers: a TLS socket and the socket below it have
 * nothing else in common that is public.
 */
export function createVisitors() {
  const visitors = new Map<string, Visitor>()
  return {
    add(socket: Socket, visitor: Visitor): void {
      const key = keyOf(socket)
      visitors.set(key, visitor)
      socket.once('close', () => {
        clearTimeout(visitor.deadline)
        visitor.visit.left()
        if (visitors.get(key) === visitor) visitors.delete(key)
      })
    },
    /** Undefined once the socket is closed. */
    of: (socket: Socket): Visitor | undefined => visitors.get(keyOf(socket)),
  }
}

function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
