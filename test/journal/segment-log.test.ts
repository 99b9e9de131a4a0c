import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t from 'tap'
import { markDone, numbersIn, openIn, range } from '../support/segment-log.js'

t.test('entries are read in the order in which they were appended, also by the next process', async (t) => {
  const { directory, log, onPending } = openIn(t)
  await Promise.all(range(0, 50).map((n) => log.append({ n })))
  for (const n of range(50, 60)) await log.append({ n })
  t.strictSame(await numbersIn(log), range(0, 60))
  t.strictSame(onPending, range(0, 60))
  t.equal(log.depth, 60)
  await log.stop()
  const again = openIn(t, directory)
  t.strictSame(await numbersIn(again.log), range(0, 60))
  t.strictSame(again.onPending, range(0, 60), 'each was told of')
  t.strictSame(again.damage, [])
})

t.test('an append that has resolved is in the file', async (t) => {
  const { directory, log } = openIn(t)
  const appends = range(0, 100).map(async (n) => {
    await log.append({ n })
    const files = readdirSync(directory).map((file) => readFileSync(join(directory, file), 'utf8'))
    t.ok(files.join('').includes(`{"n":${n}}`), `${n}`)
  })
  await Promise.all(appends)
})

t.test('a segment that is full is followed by another; one that is done is removed', async (t) => {
  const { directory, log } = openIn(t, undefined, 100)
  for (const n of range(0, 20)) await log.append({ n })
  t.ok(log.segments.length > 3)
  t.equal(
    log.bytes,
    readdirSync(directory).reduce((sum, file) => sum + statSync(join(directory, file)).size, 0),
  )
  const [first] = log.segments
  const entries = await log.read(first!)
  await log.markDone(
    first!,
    entries.map(({ number }) => number),
  )
  t.strictSame(await numbersIn(log), range(entries.length, 20))
  for (const segment of log.segments.slice()) await log.markDone(segment, [...segment.pending])
  t.strictSame(readdirSync(directory), [], 'also the one that was still growing')
  await log.append({ n: 20 })
  t.strictSame(await numbersIn(log), [20], 'and it goes on')
})

t.test('what waits together is divided among segments', async (t) => {
  const { directory, log } = openIn(t, undefined, 200)
  await Promise.all(range(0, 40).map((n) => log.append({ n })))
  t.equal(log.segments.length, 4)
  for (const { bytes } of log.segments) t.ok(bytes < 200 + 30)
  await log.stop()
  t.strictSame(await numbersIn(openIn(t, directory).log), range(0, 40))
})

t.test('beyond bytesMax the oldest goes, also for entries that come together', async (t) => {
  let dropped = 0
  const { log } = openIn(t, undefined, 100, { bytesMax: 500, onDropped: (count) => (dropped += count) })
  await Promise.all(range(0, 100).map((n) => log.append({ n })))
  t.ok(log.bytes <= 500)
  t.ok(log.bytes > 350, 'and no more than that')
  t.strictSame(await numbersIn(log), range(dropped, 100))
})

t.test('what is done stays done after a restart, and nothing else does', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.subarray(range(0, 30)), fc.nat(30), async (done, split) => {
      const { directory, log } = openIn(t, undefined, 200)
      await Promise.all(range(0, 30).map((n) => log.append({ n })))
      await markDone(log, done.slice(0, split))
      await markDone(log, done.slice(split))
      await log.stop()
      const again = openIn(t, directory)
      t.strictSame(
        await numbersIn(again.log),
        range(0, 30).filter((n) => !done.includes(n)),
      )
      await again.log.stop()
    }),
    { numRuns: 20 },
  )
})

t.test('numbers grow and are never used twice, whatever is removed', async (t) => {
  const { directory, log } = openIn(t, undefined, 60)
  const seen: number[] = []
  for (const n of range(0, 12)) {
    await log.append({ n })
    const segment = log.segments.at(-1)!
    seen.push(...(await log.read(segment)).slice(-1).map(({ number }) => number))
    if (n % 3 === 2) await log.dropOldest()
    if (n % 4 === 3) await log.markDone(segment, [...segment.pending])
  }
  t.equal(new Set(seen).size, 12)
  t.strictSame(
    seen,
    seen.toSorted((a, b) => a - b),
  )
  await log.append({ n: 12 })
  await log.stop()
  const again = openIn(t, directory)
  await again.log.append({ n: 13 })
  const last = await again.log.read(again.log.segments.at(-1)!)
  t.ok(last[0]!.number > Math.max(...seen), 'nor after a restart that finds some of them')
})

t.test('dropOldest removes one segment and says how many entries went', async (t) => {
  const { log } = openIn(t, undefined, 100)
  t.equal(await log.dropOldest(), 0, 'nothing to drop')
  for (const n of range(0, 20)) await log.append({ n })
  const count = log.segments[0]!.pending.size
  await log.markDone(
    log.segments[0]!,
    (await log.read(log.segments[0]!)).slice(0, 1).map(({ number }) => number),
  )
  t.equal(await log.dropOldest(), count - 1, 'those that were done do not count')
  t.strictSame(await numbersIn(log), range(count, 20))
  while (log.segments.length > 0) await log.dropOldest()
  await log.append({ n: 20 })
  t.strictSame(await numbersIn(log), [20])
})

t.test('appends, marks, drops and a stop at once: everything is either there, done or dropped', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('append', 'done', 'drop'), { maxLength: 60 }),
      async (steps) => {
        const { directory, log, onPending } = openIn(t, undefined, 150)
        const gone = new Set<number>()
        let dropped = 0
        let n = 0
        const under = steps.map(async (step) => {
          if (step === 'append') return log.append({ n: n++ })
          if (step === 'drop') {
            const count = await log.dropOldest()
            dropped += count
            return
          }
          const segment = log.segments[0]
          if (!segment) return
          // Dropped in between, there is no file any more.
          const [first] = await log.read(segment).catch(() => [])
          if (!first || !segment.pending.has(first.number)) return
          gone.add(first.entry.n)
          await log.markDone(segment, [first.number])
        })
        await Promise.all(under)
        const left = await numbersIn(log)
        t.strictSame(onPending, range(0, n), 'every append was told of in its order')
        t.ok(left.length >= n - dropped - gone.size)
        t.ok(left.every((one) => !gone.has(one)))
        t.equal(log.depth, left.length)
        await log.stop()
        t.strictSame(await numbersIn(openIn(t, directory).log), left)
      },
    ),
    { numRuns: 30 },
  )
})
