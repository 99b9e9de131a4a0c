import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { generate } from 'selfsigned'

export interface TlsFiles {
  certFile: string
  keyFile: string
}

/** @throws when either file cannot be read or they do not fit together; the message names no content. */
export function readCertificate({ certFile, keyFile }: TlsFiles): { cert: Buffer; key: Buffer } {
  const read = (name: string, file: string) => {
    try {
      return readFileSync(file)
    } catch (error) {
      throw new Error(`${name}: cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error })
    }
  }
  const pair = { cert: read('TLS_CERT_FILE', certFile), key: read('TLS_KEY_FILE', keyFile) }
  try {
    createSecureContext(pair)
  } catch (error) {
    throw new Error('TLS_CERT_FILE, TLS_KEY_FILE: no PEM certificate and its private key', { cause: error })
  }
  return pair
}

/** Makes a self-signed pair for this machine in `dataDir`, unless there is one. */
export async function ensureSelfSigned(dataDir: string): Promise<TlsFiles> {
  const directory = join(dataDir, 'tls')
  const files = { certFile: join(directory, 'cert.pem'), keyFile: join(directory, 'key.pem') }
  if (existsSync(files.certFile) && existsSync(files.keyFile)) return files
  mkdirSync(directory, { recursive: true, mode: 0o700 })
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
