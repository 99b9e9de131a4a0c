import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { encodeRecord } from '../../store/journal/records.js'
import { temporaryDirectory } from '../support/broker.js'
import { markDone, numbersIn, openIn, range } from '../support/segment-log.js'
import type { Entry } from '../support/segment-log.js'

t.test('a mark of which a part was written takes out nothing', async (t) => {
  const { directory, log } = openIn(t)
  await Promise.all(range(0, 300).map((n) => log.append({ n })))
  const marked = range(150, 280)
  await markDone(log, marked)
  await log.stop()
  const file = join(
    directory,
    readdirSync(directory).find((name) => name.endsWith('.done'))!,
  )
  const bytes = readFileSync(file)
  for (let length = bytes.length - 1; length > 0; length -= 7) {
    truncateSync(file, length)
    const again = openIn(t, directory)
    t.strictSame(await numbersIn(again.log), range(0, 300), `cut at ${length}`)
    if (length < 20) break
  }
  const again = openIn(t, directory)
  await markDone(again.log, [7, 8])
  const third = openIn(t, directory)
  t.strictSame(await numbersIn(third.log), [...range(0, 7), ...range(9, 300)], 'marks behind it count')
})

t.test('marks that a crash left behind without their segment touch no later one', async (t) => {
  const { directory, log } = openIn(t)
  await Promise.all(range(0, 5).map((n) => log.append({ n })))
  const segment = log.segments[0]!
  await markDone(log, [0, 1, 2])
  const marks = readFileSync(segment.file.replace(/log$/, 'done'))
  await markDone(log, [3, 4])
  t.strictSame(readdirSync(directory), [])
  await log.stop()
  writeFileSync(segment.file.replace(/log$/, 'done'), marks) // killed between the two removals
  const next = openIn(t, directory)
  await Promise.all(range(0, 5).map((n) => next.log.append({ n })))
  await next.log.stop()
  t.strictSame(await numbersIn(openIn(t, directory).log), range(0, 5))
})

t.test('a torn tail of a segment costs what was torn; new entries go behind', async (t) => {
  const whole = [0, 1, 2, 3].map((n) => encodeRecord(n + 2, { n }))
  const bytes = Buffer.concat(whole)
  const recordLength = whole[0]!.length
  for (let length = 0; length <= bytes.length; length += 3) {
    const directory = temporaryDirectory(t)
    writeFileSync(join(directory, 'test-000000000000001.log'), bytes.subarray(0, length))
    const { log, damage } = openIn(t, directory)
    const kept = Math.floor(length / recordLength)
    t.strictSame(await numbersIn(log), range(0, kept), `cut at ${length}`)
    t.equal(damage[0]?.damagedBytes ?? 0, length % recordLength)
    await log.append({ n: 9 })
    await log.stop()
    const again = openIn(t, directory)
    t.strictSame(await numbersIn(again.log), [...range(0, kept), 9])
  }
})

t.test(
  'a damaged segment is set aside once its entries are done, and its name is not given again',
  async (t) => {
    const { directory, log } = openIn(t)
    for (const n of range(0, 3)) await log.append({ n })
    await log.stop()
    const [file] = readdirSync(directory) as [string]
    appendFileSync(join(directory, file), 'half of a rec')
    const again = openIn(t, directory)
    t.strictSame(again.damage, [{ file, entries: 3, damagedBytes: 13 }])
    await markDone(again.log, [0, 1, 2])
    t.strictSame(readdirSync(directory), [`${file}.damaged`])
    await again.log.stop()
    const third = openIn(t, directory)
    await third.log.append({ n: 3 })
    t.notOk(readdirSync(directory).includes(file))
  },
)

t.test(
  'files of nothing but zeros, of no bytes, and ones that cannot be read keep no others from being read',
  async (t) => {
    const { directory, log } = openIn(t)
    await log.append({ n: 1 })
    await log.stop()
    writeFileSync(join(directory, 'test-000000000000100.log'), '')
    writeFileSync(join(directory, 'test-000000000000200.log'), Buffer.alloc(50_000))
    mkdirSync(join(directory, 'test-000000000000300.log'))
    writeFileSync(join(directory, 'other-000000000000001.log'), encodeRecord(2, { n: 5 }))
    writeFileSync(join(directory, 'notes.txt'), 'of an operator')
    const again = openIn(t, directory)
    t.strictSame(await numbersIn(again.log), [1])
    t.strictSame(again.damage, [{ file: 'test-000000000000200.log', entries: 0, damagedBytes: 50_000 }])
    t.strictSame(again.log.unreadable, [{ file: 'test-000000000000300.log', reason: 'EISDIR' }])
    await again.log.append({ n: 2 })
    t.strictSame(await numbersIn(again.log), [1, 2])
    t.ok(readdirSync(directory).includes('test-000000000000200.log.damaged'))
    t.ok(readdirSync(directory).includes('notes.txt'))
  },
)

t.test('an append that fails was promised to nobody: those before it and after it are kept', async (t) => {
  const { directory, log } = openIn(t)
  await log.append({ n: 0 })
  const file = log.segments[0]!.file
  const circular: Record<string, unknown> = { n: 1 }
  circular.self = circular
  await t.rejects(log.append(circular as Entry))
  await log.append({ n: 2 })
  t.strictSame(await numbersIn(log), [0, 2])
  t.not(log.segments[1]?.file, file, 'nothing is written behind what may be a half')
  await log.stop()
  t.strictSame(await numbersIn(openIn(t, directory).log), [0, 2])
})

t.test(
  'a file that could not be read at a start is read later, in its place, and what was done stays so',
  async (t) => {
    const { directory, log } = openIn(t)
    for (const n of range(0, 5)) await log.append({ n })
    await markDone(log, [1, 2])
    await log.stop()
    const { file } = log.segments[0]!
    const name = basename(file)
    renameSync(file, join(directory, 'kept'))
    symlinkSync('elsewhere', file)
    const again = openIn(t, directory)
    t.strictSame(again.log.unreadable, [{ file: name, reason: 'ENOENT' }], 'a link into nothing')
    await again.log.append({ n: 5 })
    t.strictSame(await again.log.readAgain(), [])
    t.strictSame(await numbersIn(again.log), [5])

    rmSync(file)
    t.strictSame(await again.log.readAgain(), [])
    t.strictSame(again.log.unreadable, [], 'an operator took it away')
    t.ok(again.log.awaitsFiles, 'and may bring it again')
    renameSync(join(directory, 'kept'), file)
    appendFileSync(file, 'half of a rec')
    t.strictSame(await again.log.readAgain(), [{ file: name, entries: 5, damagedBytes: 13 }])
    t.notOk(again.log.awaitsFiles)
    t.strictSame(await numbersIn(again.log), [0, 3, 4, 5])
    t.strictSame(again.onPending, [5, 0, 3, 4])
    const numbers = (await Promise.all(again.log.segments.map((one) => again.log.read(one)))).flat()
    t.equal(new Set(numbers.map(({ number }) => number)).size, 4, 'no number was given twice')
    await again.log.stop()
    t.strictSame(await numbersIn(openIn(t, directory).log), [0, 3, 4, 5])
  },
)
