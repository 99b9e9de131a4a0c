import type { LoadResult } from './order.js'

/** Keeps what is measured; nothing counts before `begin` and after `end`. */
export interface Measuring {
  /** Set when nothing more is to be sent. */
  isOver: boolean
  begin(): void
  end(): void
  /** Of an open loop: a message of client i that was due then, and its mark. Called after it was sent. */
  sending(i: number, due: number, mark: string): void
  late(ms: number): void
  answer(i: number, packetId: number): void
  event(payload: Buffer): void
  sawStored(text: string): void
  lose(): void
  result(): Omit<LoadResult, 'refused' | 'acknowledgedOf'>
}

export function createMeasuring(clients: number): Measuring {
  const latencies: LoadResult['latencies'] = { puback: [], event: [], stored: [] }
  const lateness: number[] = []
  /** Due times of what is not answered yet, by client, in the order of sending; answers keep it. */
  const waiting: number[][] = Array.from({ length: clients }, () => [])
  const dueByMark = { event: new Map<string, number>(), stored: new Map<string, number>() }
  let acknowledged = 0
  let events = 0
  let lost = 0
  let isMeasured = false
  let began = { at: 0, cpu: process.cpuUsage() }
  let busy = 0

  function reached(kind: 'event' | 'stored', text: string): void {
    const now = performance.now()
    for (const [time] of text.matchAll(TIMES)) {
      const due = dueByMark[kind].get(time)
      if (due === undefined) continue
      dueByMark[kind].delete(time)
      latencies[kind].push(now - due)
    }
  }

  return {
    isOver: true,
    begin() {
      isMeasured = true
      began = { at: performance.now(), cpu: process.cpuUsage() }
    },
    end() {
      isMeasured = false
      const { user, system } = process.cpuUsage(began.cpu)
      busy = (user + system) / 1_000 / (performance.now() - began.at)
    },
    sending(i, due, mark) {
      waiting[i]?.push(isMeasured ? due : Number.NaN)
      if (!isMeasured || !mark.endsWith('Z')) return
      dueByMark.event.set(mark, due)
      dueByMark.stored.set(mark, due)
    },
    late(ms) {
      if (isMeasured) lateness.push(ms)
    },
    answer(i) {
      if (isMeasured) acknowledged++
      const due = waiting[i]?.shift()
      if (due !== undefined && !Number.isNaN(due)) latencies.puback.push(performance.now() - due)
    },
    event(payload) {
      if (isMeasured) events++
      if (dueByMark.event.size > 0) reached('event', payload.toString('latin1'))
    },
    sawStored: (text) => reached('stored', text),
    lose() {
      lost++
    },
    result: () => ({ acknowledged, events, lost, latencies, lateness, busy }),
  }
}

const TIMES = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g
