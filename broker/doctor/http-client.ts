import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { isTls } from './endpoints.js'
import type { Endpoint } from './endpoints.js'
import { examineCertificate } from './examine-certificate.js'
import type { Trust } from './examine-certificate.js'
import { explainConnection, Fault, inTime } from './finding.js'
import type { Finding } from './finding.js'
import type { Login } from './mqtt-session.js'
import { tlsOptions } from './open-wire.js'

export interface HttpAnswer {
  status: number
  /** How far the server's clock is ahead of ours, in seconds, negative behind; 0 as far as the time of the answer tells. */
  clockAheadS: number
  json: Record<string, unknown>
  findings: Finding[]
}

/** One request as the SDK sends it. @throws Fault when there is no answer, or none of a connect-broker. */
export function ask(
  endpoint: Endpoint,
  trust: Trust,
  method: string,
  path: string,
  login?: Login,
): Promise<HttpAnswer> {
  const { host, port } = endpoint
  const identity = login && {
    'x-app-id': login.appId,
    'x-user-id': login.externalUserId,
    authorization: `Bearer ${login.userHash}`,
  }
  const sentAt = Date.now()
  const answered = new Promise<HttpAnswer>((resolve, reject) => {
    const request = (isTls(endpoint) ? requestHttps : requestHttp)(
      {
        host,
        port,
        method,
        path,
        agent: false,
        headers: { ...identity, 'content-type': 'application/json', 'content-length': 0 },
        ...(isTls(endpoint) ? tlsOptions(endpoint, trust) : {}),
      },
      (response) => {
        // At once: a socket that has closed shows no certificate any more.
        const findings = isTls(endpoint)
          ? examineCertificate(response.socket as TLSSocket, endpoint, trust)
          : []
        const clockAheadS = compareClocks(response.headers.date, sentAt, Date.now())
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          try {
            const text = Buffer.concat(chunks).toString()
            const json = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
            resolve({ status: response.statusCode ?? 0, clockAheadS, json, findings })
          } catch {
            reject(
              new Fault(
                `${host}:${port} is no connect-broker: it answers ${response.statusCode} and no JSON`,
              ),
            )
          }
        })
      },
    )
    request.on('error', (error: NodeJS.ErrnoException) =>
      reject(error instanceof Fault ? error : new Fault(explainConnection(error, host, port))),
    )
    request.end()
  })
  return inTime(answered, `${host}:${port} does not answer`)
}

/** The Date header is of some moment between sending and receiving, cut to whole seconds. */
function compareClocks(header: string | undefined, sentAt: number, receivedAt: number): number {
  const date = Date.parse(header ?? '')
  if (date > receivedAt) return Math.round((date - receivedAt) / 1_000)
  return date + 1_000 < sentAt ? -Math.round((sentAt - date) / 1_000) : 0
}
