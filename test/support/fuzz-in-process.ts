import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signUser } from '../../auth/identity.js'
import { runConnections } from './fuzz-run.js'
import type { Tally } from './fuzz-run.js'
import { createInProcessGates } from './in-process-gates.js'

export interface InProcessResult extends Tally {
  /** After every connection was closed. */
  openGates: number
  sessions: number
  /** Bytes on the heap in the end, beyond those after the first tenth. */
  heapMore: number
}

/**
 * A program: `node --expose-gc fuzz-in-process.js <seed> <cases>` writes an InProcessResult. It is a process of its
 * own because an uncaught exception must end it, and because tap follows every promise of its process.
 */
async function main(seed: number, cases: number): Promise<InProcessResult> {
  const directory = mkdtempSync(join(tmpdir(), 'connect-broker-'))
  const secret = 'a secret of this test alone'
  const gates = await createInProcessGates(directory, { appId: 'demo-app', secret })
  const user = {
    appId: 'demo-app',
    externalUserId: 'fuzz',
    username: 'sdk:demo-app:fuzz',
    password: signUser(secret, 'fuzz'),
  }
  const options = { seed, atOnce: 200, sessionsOf10: 3, hangingOf1000: 1 }
  const warmUp = await runConnections(gates.open, user, {
    ...options,
    seed: seed + 1_000_000,
    cases: cases / 10,
  })
  const heapUsed = async () => {
    await gates.stored() // a publication may outlive its connection
    await new Promise((resolve) => setImmediate(resolve)) // what closed last lets go
    globalThis.gc?.()
    return process.memoryUsage().heapUsed
  }
  const heapBefore = await heapUsed()
  const tally = await runConnections(gates.open, user, { ...options, cases: cases - warmUp.cases })
  const heapMore = (await heapUsed()) - heapBefore
  const result = { openGates: gates.openGates(), sessions: gates.sessions(), heapMore }
  await gates.stop()
  rmSync(directory, { recursive: true })
  return {
    connections: warmUp.connections + tally.connections,
    answered: warmUp.answered + tally.answered,
    cases: warmUp.cases + tally.cases,
    nonsense: [...warmUp.nonsense, ...tally.nonsense],
    ...result,
  }
}

Error.stackTraceLimit = 0 // a third of the work would be stack traces that nobody reads
const result = await main(Number(process.argv[2]), Number(process.argv[3]))
process.stdout.write(JSON.stringify(result))
