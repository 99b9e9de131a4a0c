import { connect as connectTcp, isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, rootCertificates } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { createWebSocketStream, WebSocket } from 'ws'
import { isTls } from './endpoints.js'
import type { Endpoint } from './endpoints.js'
import { examineCertificate } from './examine-certificate.js'
import type { Trust } from './examine-certificate.js'
import { explainConnection, Fault, inTime } from './finding.js'
import type { Finding } from './finding.js'

export interface Wire {
  stream: Duplex
  /** What a phone would say of the certificate; the connection stands all the same. */
  findings: Finding[]
}

/** Connects as a client does. @throws Fault with what is wrong and what to look at. */
export function openWire(endpoint: Endpoint, trust: Trust): Promise<Wire> {
  const { host, port, kind } = endpoint
  const opening =
    kind === 'ws' || kind === 'wss' ? openWebSocket(endpoint, trust) : openSocket(endpoint, trust)
  return inTime(opening, `${host}:${port} opens no connection`)
}

/** Options that let every certificate through: it is examined, and what is behind it looked at all the same. */
export function tlsOptions({ host }: Endpoint, { name, authorities }: Trust) {
  const servername = name ?? (isIP(host) === 0 ? host : '')
  return {
    rejectUnauthorized: false,
    ca: [...rootCertificates, ...authorities],
    ...(servername === '' ? {} : { servername }),
  }
}

function openSocket(endpoint: Endpoint, trust: Trust): Promise<Wire> {
  const { host, port } = endpoint
  return new Promise((resolve, reject) => {
    const stream = isTls(endpoint)
      ? connectTls({ host, port, ...tlsOptions(endpoint, trust) })
      : connectTcp({ host, port })
    stream.once('error', (error: NodeJS.ErrnoException) =>
      reject(new Fault(explainConnection(error, host, port))),
    )
    stream.once(isTls(endpoint) ? 'secureConnect' : 'connect', () => {
      const findings = isTls(endpoint) ? examineCertificate(stream as TLSSocket, endpoint, trust) : []
      resolve({ stream, findings })
    })
  })
}

function openWebSocket(endpoint: Endpoint, trust: Trust): Promise<Wire> {
  const { host, port, path, kind } = endpoint
  const name = host.includes(':') ? `[${host}]` : host
  return new Promise((resolve, reject) => {
    const findings: Finding[] = []
    const socket = new WebSocket(`${kind}://${name}:${port}${path}`, 'mqtt', tlsOptions(endpoint, trust))
    socket.once('upgrade', (response) => {
      if (isTls(endpoint)) findings.push(...examineCertificate(response.socket as TLSSocket, endpoint, trust))
    })
    socket.once('open', () => resolve({ stream: createWebSocketStream(socket), findings }))
    socket.once('unexpected-response', (_request, response) => {
      reject(
        new Fault(
          `the WebSocket upgrade of ${path} is answered with ${response.statusCode}: a proxy in between does not pass the headers Upgrade and Connection on, or sends the path elsewhere`,
        ),
      )
      response.resume()
      socket.terminate()
    })
    socket.on('error', (error: NodeJS.ErrnoException) =>
      reject(new Fault(explainConnection(error, host, port))),
    )
  })
}
