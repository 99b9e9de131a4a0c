import type { Test } from 'tap'
import { openSegmentLog } from '../../store/journal/segment-log.js'
import type { SegmentLog, SegmentLogOptions } from '../../store/journal/segment-log.js'
import { temporaryDirectory } from './broker.js'

export type Entry = { n: number }

/** A log named `test`, closed when the test ends. `onPending` has every entry that it told of. */
export function openIn(
  t: Test,
  directory = temporaryDirectory(t),
  segmentBytes = 1_000_000,
  limit: Pick<SegmentLogOptions<Entry>, 'bytesMax' | 'onDropped'> = {},
) {
  const onPending: number[] = []
  const opened = openSegmentLog<Entry>({
    directory,
    name: 'test',
    segmentBytes,
    ...limit,
    onPending: ({ n }) => onPending.push(n),
  })
  t.teardown(() => opened.log.stop())
  return { directory, onPending, ...opened }
}

/** What waits in the log. */
export async function numbersIn(log: SegmentLog<Entry>): Promise<number[]> {
  const read = []
  for (const segment of log.segments) read.push(...(await log.read(segment)))
  return read.map(({ entry }) => entry.n)
}

export async function markDone(log: SegmentLog<Entry>, ns: number[]): Promise<void> {
  for (const segment of log.segments.slice()) {
    const found = (await log.read(segment)).filter(({ entry }) => ns.includes(entry.n))
    if (found.length > 0)
      await log.markDone(
        segment,
        found.map(({ number }) => number),
      )
  }
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}
