import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { busySince, readCores, startPinned } from '../processes.js'
import type { PinnedProgram } from '../processes.js'
import type { Cores } from '../contenders/contender.js'
import type { LoadResult, Order, Report } from './order.js'

export interface Load {
  up: { seconds: number; connected: number; failed: number }
  /** Lets it send, measures, and lets it end. */
  run(watch?: { onWindow?: () => Promise<void>; onEnd?: () => Promise<void> }): Promise<LoadOutcome>
  /** Of `return`: resolves when everybody is connected again. */
  back(): Promise<void>
  /** Ends it, and with it every connection. */
  stop(): Promise<void>
}

export interface LoadOutcome extends LoadResult {
  /** How long the window really was. */
  seconds: number
  /** Part of the window in which each core had work, of whomever. */
  serverCore: number
  loadCore: number
}

/** Starts a generator on the load's core and connects its clients. @throws when it ends before. */
export async function startLoad(cores: Cores, order: Partial<Order> & Needed): Promise<Load> {
  const program = startPinned({
    name: 'load',
    core: cores.load,
    command: [process.execPath, new URL('generator.js', import.meta.url).pathname],
    stdin: 'pipe',
  })
  const reports = readReports(program)
  program.child.stdin!.write(`${JSON.stringify({ ...DEFAULTS, ...order })}\n`)
  const up = await reports.next('up')
  return {
    up,
    async run({ onWindow, onEnd } = {}) {
      program.child.stdin!.write('go\n')
      await reports.next('window')
      const [began, from] = [performance.now(), readCores()]
      await onWindow?.()
      await reports.next('end')
      const seconds = (performance.now() - began) / 1_000
      const [serverCore, loadCore] = [busySince(from, cores.server), busySince(from, cores.load)]
      await onEnd?.()
      return { ...(await reports.next('result')), seconds, serverCore, loadCore }
    },
    back: async () => void (await reports.next('back')),
    async stop() {
      await program.end('SIGKILL')
    },
  }
}

type Needed = Pick<Order, 'loop' | 'ports' | 'identities'>

const DEFAULTS: Omit<Order, keyof Needed> = {
  what: 'telemetry',
  transport: 'tcp',
  version: 4,
  isSubscriber: false,
  window: 1,
  rate: 1,
  warmUpMs: 1_000,
  measuredMs: 1_000,
  run: '-',
}

function readReports({ child, name }: PinnedProgram) {
  const waiting: Report[] = []
  let wake = () => {}
  createInterface({ input: child.stdout as Readable }).on('line', (line) => {
    waiting.push(JSON.parse(line) as Report)
    wake()
  })
  let hasEnded = false
  void once(child, 'close').then(() => {
    hasEnded = true
    wake()
  })
  return {
    async next<At extends Report['at']>(at: At): Promise<Extract<Report, { at: At }>> {
      while (waiting[0]?.at !== at) {
        if (waiting.length > 0) throw new Error(`the load said ${waiting[0]?.at}, not ${at}`)
        if (hasEnded) throw new Error(`${name} ended before it said ${at}`)
        await new Promise<void>((resolve) => (wake = resolve))
      }
      return waiting.shift() as Extract<Report, { at: At }>
    },
  }
}
