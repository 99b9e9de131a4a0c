import { X509Certificate } from 'node:crypto'
import { unwatchFile, watchFile } from 'node:fs'
import type { Log } from '../ops/log.js'
import { daysLeft, readCertificate } from './certificate.js'
import type { TlsFiles } from './certificate.js'
import { SettingError } from './setting-error.js'

export interface Certificate {
  cert: Buffer
  key: Buffer
}

export interface CertificateWatch {
  /** Reads both files again; a pair that cannot be used leaves the one before where it is and says so in the log. */
  reload(): void
  /** The one that new handshakes use. */
  current(): Certificate
  stop(): void
}

/** Hands on the certificate when its files change, as an ACME client does to them every few weeks. */
export function watchCertificate(options: {
  files: TlsFiles
  certificate: Certificate
  onChange: (certificate: Certificate) => void
  log: Log
}): CertificateWatch {
  const { files, onChange, log } = options
  let current = options.certificate
  const warnWhenOld = () => {
    const days = daysLeft(current.cert, new Date())
    if (days < WARNING_DAYS)
      log.warn({ days, certFile: files.certFile }, 'TLS certificate expires soon or has expired')
  }
  const reload = () => {
    try {
      const found = readCertificate(files)
      if (found.cert.equals(current.cert) && found.key.equals(current.key)) return
      refuseOutdated(found.cert, current.cert)
      onChange(found)
      current = found
      const { subjectAltName, validTo, serialNumber } = new X509Certificate(found.cert)
      log.info(
        { certFile: files.certFile, names: subjectAltName, validTo, serialNumber },
        'TLS certificate read again',
      )
      warnWhenOld()
    } catch (error) {
      log.error(
        { certFile: files.certFile, reason: (error as Error).message },
        'TLS certificate cannot be used; the one before stays',
      )
    }
  }
  warnWhenOld()
  const daily = setInterval(warnWhenOld, MS_PER_DAY).unref()
  // Polling also sees a file that is replaced by rename or through a link, as ACME clients and mounted secrets do.
  for (const file of [files.certFile, files.keyFile])
    watchFile(file, { interval: POLL_MS, persistent: false }, reload)
  return {
    reload,
    current: () => current,
    stop() {
      clearInterval(daily)
      for (const file of [files.certFile, files.keyFile]) unwatchFile(file, reload)
    },
  }
}

/** An old file that was put back by mistake must not replace one that phones still take. */
function refuseOutdated(found: Buffer, current: Buffer): void {
  const now = new Date()
  if (daysLeft(found, now) < 0 && daysLeft(current, now) >= 0)
    throw new SettingError('TLS_CERT_FILE', `has expired (${new X509Certificate(found).validTo})`)
}

/** Long enough to order one by hand. */
const WARNING_DAYS = 14
const MS_PER_DAY = 86_400_000
const POLL_MS = 500
