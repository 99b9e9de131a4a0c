import { setTimeout as pause } from 'node:timers/promises'
import type { Bench, Contender, Running } from '../contenders/contender.js'
import type { Order } from '../load/order.js'
import type { Identity } from '../load/packets.js'
import type { PinnedProgram } from '../processes.js'
import type { MetricName } from '../samples.js'

/** How long and how much; a quick run has less of it. */
export interface Sizes {
  /** Measured seconds of each load. */
  seconds: number
  clients: number
  /** Messages a second of the open loop. */
  rate: number
  connects: number
  /** Connections that are only held. */
  idle: number
  /** Numbers of clients between which the cost is compared. */
  growth: number[]
}

export type Note = (metric: MetricName, value: number) => void

export interface MeasureContext {
  contender: Contender
  bench: Bench
  sizes: Sizes
  note: Note
  /** What the reader has to know besides the figures. */
  remark: (text: string) => void
}

export function identitiesOf(running: Running, count: number, first = 0): Identity[] {
  return Array.from({ length: count }, (_, i) => running.identity(first + i))
}

export function addressOf(running: Running): Pick<Order, 'ports' | 'transport' | 'version'> {
  return { ports: [running.ports.tcp as number], transport: 'tcp', version: 4 }
}

/** CPU seconds that each program uses from here on. */
export function countCpu(programs: PinnedProgram[]): () => { all: number; of: (name: string) => number } {
  const before = programs.map((program) => program.cpuSeconds())
  return () => {
    const used = programs.map((program, i) => program.cpuSeconds() - (before[i] as number))
    return {
      all: used.reduce((sum, seconds) => sum + seconds, 0),
      of: (name) => used[programs.findIndex((program) => program.name === name)] ?? 0,
    }
  }
}

export const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)

/** When it has not grown for a while: a worker may have much before it. */
export async function settledCount(count: () => Promise<number>): Promise<number> {
  for (let last = await count(); ;) {
    await pause(SETTLED_MS)
    const now = await count()
    if (now === last) return now
    last = now
  }
}

const SETTLED_MS = 300
