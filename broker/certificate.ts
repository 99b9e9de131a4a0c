import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { named, SettingError } from './setting-error.js'

export interface TlsFiles {
  certFile: string
  keyFile: string
}

/** Asks no client for a certificate, so Node's 140 roots need not be parsed: 25 ms of a start, and their memory. */
export const ANY_CLIENT = { ca: [] }

/** @throws SettingError when either file cannot be read or they do not fit together; the message names no content. */
export function readCertificate({ certFile, keyFile }: TlsFiles): { cert: Buffer; key: Buffer } {
  const cert = named('TLS_CERT_FILE', () => readFileSync(certFile))
  const key = named('TLS_KEY_FILE', () => readFileSync(keyFile))
  try {
    createSecureContext({ cert, key, ...ANY_CLIENT })
  } catch (error) {
    const { code = '', reason } = error as NodeJS.ErrnoException & { reason?: string }
    if (code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH')
      throw new SettingError('TLS_KEY_FILE', 'is not the key of TLS_CERT_FILE', error)
    // A hash or a key of the past: it is a certificate, but nobody would take it.
    if (/TOO_(WEAK|SMALL)$/.test(code))
      throw new SettingError(
        'TLS_CERT_FILE',
        `is too weak for today's clients (${reason}); make a new one`,
        error,
      )
    throw new SettingError('TLS_CERT_FILE, TLS_KEY_FILE', 'no PEM certificate and private key', error)
  }
  return { cert, key }
}

export function expiresAt(cert: Buffer): Date {
  return new Date(new X509Certificate(cert).validTo)
}

/** Days until the certificate expires; negative when it has. */
export function daysLeft(cert: Buffer, now: Date): number {
  return Math.floor((expiresAt(cert).getTime() - now.getTime()) / MS_PER_DAY)
}

const MS_PER_DAY = 86_400_000

/** Makes a self-signed pair for this machine in `dataDir`, unless there is one that is still valid. */
export async function ensureSelfSigned(dataDir: string): Promise<TlsFiles> {
  const directory = join(dataDir, 'tls')
  const files = { certFile: join(directory, 'cert.pem'), keyFile: join(directory, 'key.pem') }
  const isThere = existsSync(files.certFile) && existsSync(files.keyFile)
  if (isThere && daysLeft(readFileSync(files.certFile), new Date()) > 0) return files
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const { generate } = await import('selfsigned') // needed once in two years
  const notAfterDate = new Date()
  notAfterDate.setFullYear(notAfterDate.getFullYear() + 2)
  const pair = await generate([{ name: 'commonName', value: 'connect-broker self-signed' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notAfterDate,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 2, value: hostname() },
          { type: 7, ip: '127.0.0.1' },
          { type: 7, ip: '::1' },
        ],
      },
    ],
  })
  writeFileSync(files.keyFile, pair.private, { mode: 0o600 })
  writeFileSync(files.certFile, pair.cert, { mode: 0o644 })
  return files
}
