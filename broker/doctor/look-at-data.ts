import { closeSync, fsyncSync, openSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from './finding.js'
import type { Finding } from './finding.js'

/** Whether DATA_DIR takes what a journal would have to write. */
export async function lookAtData(dataDir: string): Promise<Finding[]> {
  const file = join(dataDir, `.doctor-${process.pid}`)
  try {
    const descriptor = openSync(file, 'wx', 0o600)
    try {
      writeFileSync(descriptor, Buffer.alloc(TRIAL_BYTES, 1)) // a full disk takes a part of one write without an error
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    throw new Fault(explain((error as NodeJS.ErrnoException).code))
  } finally {
    rmSync(file, { force: true })
  }
  const { bavail, bsize } = statfsSync(dataDir)
  const freeMiB = Math.floor((bavail * bsize) / 1_048_576)
  return freeMiB < FREE_MIB_MIN
    ? [
        {
          check: 'data',
          is: 'warning',
          says: `only ${freeMiB} MiB are free in DATA_DIR: soon nothing is acknowledged`,
        },
      ]
    : [{ check: 'data', is: 'ok', says: `DATA_DIR takes writes; ${freeMiB} MiB are free` }]
}

function explain(code: string | undefined): string {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return `the disk of DATA_DIR is full (${code}): make room, an SOS is acknowledged only when it can be written`
    case 'ENOENT':
      return 'DATA_DIR does not exist: no broker has started with it'
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `DATA_DIR cannot be written by this user (${code}): chown it to the user that runs the broker`
    default:
      return `DATA_DIR cannot be written (${code})`
  }
}

/** One SOS with every field is 4 KiB; a segment of the journal begins with more. */
const TRIAL_BYTES = 65_536
/** A busy hour of telemetry in the journal. */
const FREE_MIB_MIN = 100
