import { chmodSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join, relative } from 'node:path'
import { SettingError } from './setting-error.js'

/**
 * Keeps a second broker out of a data directory: two would write over each other's logs. The lock is a unix
 * socket that somebody answers; what a killed broker left behind answers nobody. The result opens the lock.
 *
 * @throws when another broker holds it.
 */
export async function lockDataDir(dataDir: string): Promise<() => void> {
  // Relative, because the name of a unix socket has room for a hundred bytes.
  const path = relative(process.cwd(), join(dataDir, 'lock')) || join(dataDir, 'lock')
  if (await isAnswered(path)) throw new SettingError('DATA_DIR', 'another broker uses this directory')
  rmSync(path, { force: true })
  const server = createServer((socket) => socket.destroy()).unref()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new SettingError('DATA_DIR', `cannot be locked (${error.code})`, error)),
    )
    server.listen(path, resolve)
  })
  chmodSync(path, 0o600)
  return () => server.close()
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
