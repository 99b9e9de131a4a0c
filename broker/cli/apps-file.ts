import {
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseApps } from '../../auth/apps.js'
import { named } from '../setting-error.js'
import { Failure } from './command.js'

/** An app as it stands in the file, with whatever else stands there. */
export interface AppEntry extends Record<string, unknown> {
  appId: string
  secrets: string[]
  disabled?: boolean
}

/**
 * Changes the apps file: read, edited, checked as the broker checks it, and replaced in one step, so that nobody ever
 * reads half of it. What is not known here stays. Two commands wait for each other; an editor that saved in between
 * is noticed and nothing is written.
 *
 * @throws Failure or SettingError; the file is as it was.
 */
export async function editApps(path: string, edit: (apps: AppEntry[]) => void): Promise<void> {
  // A link, as a mounted secret is, must go on being one.
  const file = existsSync(path) ? realpathSync(path) : path
  const unlock = await lock(`${file}.lock`)
  try {
    const before = existsSync(file) ? named('APPS_FILE', () => readFileSync(file, 'utf8')) : null
    named('APPS_FILE', () => parseApps(before ?? NO_APPS))
    const content = JSON.parse(before ?? NO_APPS) as { apps: AppEntry[] }
    edit(content.apps)
    const after = `${JSON.stringify(content, null, 2)}\n`
    named('APPS_FILE', () => parseApps(after))
    replace(file, before, after)
  } finally {
    unlock()
  }
}

function replace(file: string, before: string | null, after: string): void {
  const temporary = `${file}.${process.pid}.new`
  try {
    const descriptor = openSync(temporary, 'wx', 0o600)
    try {
      fchmodSync(descriptor, 0o600)
      // Whoever runs this, often root, must not take the file away from the broker.
      if (before !== null && process.getuid?.() === 0) {
        const { uid, gid } = statSync(file)
        fchownSync(descriptor, uid, gid)
      }
      writeFileSync(descriptor, after) // all of it: one write may take a part where the disk is nearly full
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    const now = existsSync(file) ? readFileSync(file, 'utf8') : null
    if (now !== before) throw new Failure('the apps file was changed by somebody else meanwhile; try again')
    renameSync(temporary, file)
    syncDirectory(dirname(file))
  } catch (error) {
    rmSync(temporary, { force: true })
    if (error instanceof Failure) throw error
    if ((error as NodeJS.ErrnoException).code === 'EBUSY')
      throw new Failure('APPS_FILE is a mount of its own and cannot be replaced: mount its directory instead')
    return named('APPS_FILE', () => {
      throw error
    })
  }
}

function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Held by a file with the holder's process id; one whose holder is gone is taken away. */
async function lock(path: string): Promise<() => void> {
  for (let attempt = 0; ; attempt++) {
    try {
      const descriptor = openSync(path, 'wx', 0o600)
      writeSync(descriptor, String(process.pid))
      closeSync(descriptor)
      return () => rmSync(path, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
        return named('APPS_FILE', () => {
          throw error
        })
    }
    if (attempt === ATTEMPTS)
      throw new Failure(`another connect-broker edits the apps file; if none does, remove ${path}`)
    if (isLeftBehind(path)) rmSync(path, { force: true })
    else await wait(ATTEMPT_MS)
  }
}

function isLeftBehind(path: string): boolean {
  try {
    const holder = Number(readFileSync(path, 'utf8'))
    // Just made, and its number not written yet.
    if (!Number.isInteger(holder) || holder === 0) return false
    process.kill(holder, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

const NO_APPS = '{ "apps": [] }'
const ATTEMPTS = 50
const ATTEMPT_MS = 100
