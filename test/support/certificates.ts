import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generate } from 'selfsigned'

export interface Pair {
  cert: string
  key: string
}

/** A certificate authority of a test's own. */
export async function createAuthority(): Promise<Pair> {
  const pair = await generate([{ name: 'commonName', value: 'authority of a test' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, critical: true },
    ],
  })
  return { cert: pair.cert, key: pair.private }
}

/** A certificate for localhost and 127.0.0.1, or other names; valid for a year unless told otherwise. */
export async function createCertificate(
  options: {
    authority?: Pair
    names?: string[]
    notBefore?: Date
    notAfter?: Date
    algorithm?: 'sha1' | 'sha256'
  } = {},
): Promise<Pair> {
  const { authority, names = ['localhost', '127.0.0.1'], notBefore, notAfter, algorithm = 'sha256' } = options
  const pair = await generate([{ name: 'commonName', value: names[0] as string }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm,
    ...(authority ? { ca: authority } : {}),
    ...(notBefore ? { notBeforeDate: notBefore } : {}),
    ...(notAfter ? { notAfterDate: notAfter } : {}),
    extensions: [
      { name: 'basicConstraints', cA: authority === undefined, critical: true },
      {
        name: 'subjectAltName',
        altNames: names.map((name) =>
          /^[\d.]+$/.test(name) ? { type: 7 as const, ip: name } : { type: 2 as const, value: name },
        ),
      },
    ],
  })
  return { cert: pair.cert, key: pair.private }
}

/** Writes a pair, each file in one step as an ACME client does, and returns the settings that name it. */
export function writePair(directory: string, { cert, key }: Pair) {
  const files = { TLS_CERT_FILE: join(directory, 'cert.pem'), TLS_KEY_FILE: join(directory, 'key.pem') }
  for (const [file, content] of [
    [files.TLS_KEY_FILE, key],
    [files.TLS_CERT_FILE, cert],
  ] as const) {
    writeFileSync(`${file}.new`, content, { mode: 0o600 })
    renameSync(`${file}.new`, file)
  }
  return files
}
