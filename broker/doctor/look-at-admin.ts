import type { Config } from '../config.js'
import type { Endpoint } from './endpoints.js'
import { Fault } from './finding.js'
import type { Finding } from './finding.js'
import { ask } from './http-client.js'
import type { Trust } from './examine-certificate.js'

/** What the broker says of itself. */
export async function lookAtAdmin({ admin }: Config, trust: Trust): Promise<Finding[]> {
  if (admin.port === null) return [finding('ok', 'the admin port is off')]
  if (admin.port === 0) return [finding('warning', 'not looked at: ADMIN_PORT is 0, any free one')]
  const host = admin.host === '0.0.0.0' || admin.host === '::' ? '127.0.0.1' : admin.host
  const endpoint: Endpoint = { kind: 'http', host, port: admin.port, path: '', isOwn: true }
  const { json } = await ask(endpoint, trust, 'GET', '/readyz')
  const { status, reasons } = json as { status?: string; reasons?: string[] }
  const said = (reasons ?? []).join('; ')
  if (status === 'ready') return [finding('ok', `the broker is ready: ${said}`)]
  if (status === undefined) throw new Fault(`${host}:${admin.port} is not the admin port of a connect-broker`)
  return [finding('fault', `the broker says that it is ${status}: ${said}`)]
}

function finding(is: Finding['is'], says: string): Finding {
  return { check: 'admin', is, says }
}
