import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Endpoint } from './endpoints.js'
import type { Finding } from './finding.js'

/** How certificates are judged: as a phone would, which knows public authorities only. */
export interface Trust {
  /** The name by which phones connect; undefined: the name is not looked at where only an address is known. */
  name: string | undefined
  /** PEM of further authorities. */
  authorities: string[]
  /** PEM of what TLS_CERT_FILE holds, or of the pair that the broker made. */
  ownCertificate: string | null
  isSelfMade: boolean
}

/** What a phone would say of the certificate that this listener shows. */
export function examineCertificate(socket: TLSSocket, endpoint: Endpoint, trust: Trust): Finding[] {
  const finding = (is: Finding['is'], says: string): Finding => ({ check: endpoint.kind, is, says })
  const shown = socket.getPeerX509Certificate()
  if (!shown) return [finding('fault', 'shows no certificate')]
  const findings: Finding[] = []
  const own = trust.ownCertificate === null ? null : new X509Certificate(trust.ownCertificate)
  const isOwn = own?.fingerprint256 === shown.fingerprint256
  if (endpoint.isOwn && own && !isOwn)
    findings.push(
      finding(
        'fault',
        'shows another certificate than the one in TLS_CERT_FILE: it was not read again (the log says why), or something else listens there',
      ),
    )
  const now = Date.now()
  if (Date.parse(shown.validTo) < now)
    return [
      ...findings,
      finding('fault', `its certificate expired on ${shown.validTo}: renew it, phones refuse it`),
    ]
  if (Date.parse(shown.validFrom) > now)
    return [
      ...findings,
      finding('fault', `its certificate is valid only from ${shown.validFrom}: is this clock right?`),
    ]
  if (isOwn && trust.isSelfMade)
    return [
      ...findings,
      finding(
        'warning',
        'its certificate is the self-signed one that the broker made: set TLS_CERT_FILE before phones connect',
      ),
    ]
  const name = trust.name ?? (isIP(endpoint.host) === 0 ? endpoint.host : undefined)
  if (name !== undefined && (isIP(name) ? shown.checkIP(name) : shown.checkHost(name)) === undefined)
    findings.push(
      finding(
        'fault',
        `its certificate is for ${shown.subjectAltName ?? 'no name'} and not for ${name}: phones refuse it`,
      ),
    )
  const code = (socket.authorizationError as unknown as NodeJS.ErrnoException | string | undefined) ?? null
  if (code !== null && String(code) !== 'ERR_TLS_CERT_ALTNAME_INVALID')
    findings.push(
      finding(
        'fault',
        `its certificate is not trusted (${String(code)}): phones know nobody who signed it; does TLS_CERT_FILE hold the whole chain?`,
      ),
    )
  return findings
}
