import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root, temporaryDirectory } from '../support/broker.js'
import { countIn, openEmbeddedAt, reportNumber, user } from '../support/stores.js'

const canTrace = spawnSync('strace', ['-f', '-e', 'trace=fdatasync', 'true']).status === 0

t.test(
  'a promise of the embedded store resolves after its data was flushed to the disk',
  { skip: canTrace ? false : 'strace cannot be used here' },
  async (t) => {
    const directory = temporaryDirectory(t)
    const traceFile = join(directory, 'trace')
    const calls = 'trace=openat,fdatasync,fsync,write,pwrite64,writev,pwritev'
    // A slow disk, so that a promise that did not wait for it would be seen to overtake it.
    const options = [
      '-y',
      '-s',
      '40',
      '-e',
      calls,
      '-e',
      'inject=fdatasync:delay_enter=5000',
      '-o',
      traceFile,
    ]
    const { status, stderr } = runTraced(options, join(directory, 'store'))
    t.equal(status, 0, stderr)
    const trace = readCalls(traceFile)
    const synchronous = fdsOpenedSynchronous(trace)
    const lineOf = (text: string) => trace.findIndex((line) => line.includes(`"${text}\\n"`))
    for (const what of ['sos', 'telemetry']) {
      for (let n = 0; n < 5; n++) {
        const asked = lineOf(`asked ${what} ${n}`)
        const resolved = lineOf(`resolved ${what} ${n}`)
        t.ok(asked >= 0 && resolved > asked, `${what} ${n} was written`)
        const onFile = trace.slice(asked, resolved).flatMap((call) => readDataCall(call, synchronous) ?? [])
        const order = onFile.join(' ')
        t.match(order, /write.* flush/, `${what} ${n}: its pages were written and flushed`)
        t.notMatch(order, /flush.* write/, `${what} ${n}: and nothing was written unflushed behind that`)
      }
    }
  },
)

t.test(
  'a promise of the embedded store rejects when the disk does not take the data',
  { skip: canTrace ? false : 'strace cannot be used here' },
  async (t) => {
    const directory = join(temporaryDirectory(t), 'store')
    await (await openEmbeddedAt(t, directory)).stop()
    const options = ['-o', '/dev/null', '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO']
    const { status, stdout, stderr } = runTraced(options, directory)
    t.notMatch(stdout, /resolved/)
    t.match(stdout, /asked sos 0\nrejected sos 0\nasked telemetry 0\nrejected telemetry 0\n/)
    t.equal(status, 0, `the process lives on: ${stderr}`)
  },
)

t.test('nobody but the owner can read the embedded store', async (t) => {
  const directory = join(temporaryDirectory(t), 'store')
  const store = await openEmbeddedAt(t, directory)
  await countIn(store, user('alice'), reportNumber(1))
  t.equal(modeOf(directory), '700')
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  t.ok(files.includes('data.mdb') && files.includes('telemetry/data.mdb'))
  for (const file of files) t.equal(modeOf(join(directory, file)), file === 'telemetry' ? '700' : '600', file)
})

t.test('a file where the directory should be is an error', async (t) => {
  const file = join(temporaryDirectory(t), 'store')
  writeFileSync(file, '')
  await t.rejects(openEmbeddedAt(t, file), { code: 'EEXIST' })
})

function runTraced(options: string[], directory: string) {
  const writer = join(root, 'dist/test/support/embedded-writer.js')
  return spawnSync('strace', ['-f', ...options, process.execPath, writer, directory], { encoding: 'utf8' })
}

/** The calls in the order in which they ended; strace cuts a call in two when another thread's comes between. */
function readCalls(file: string): string[] {
  const begun = new Map<string, string>()
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const thread = line.split(' ', 1)[0] as string
      if (line.endsWith('<unfinished ...>')) {
        begun.set(thread, line.slice(0, -'<unfinished ...>'.length))
        return []
      }
      const resumed = /<\.\.\. \w+ resumed>(.*)/.exec(line)
      return [resumed ? `${begun.get(thread)}${resumed[1]}` : line]
    })
}

/** LMDB writes the page that makes a transaction valid through a descriptor of its own, opened with O_DSYNC. */
function fdsOpenedSynchronous(calls: string[]): Set<string | undefined> {
  return new Set(calls.map((call) => /data\.mdb", [^)]*O_DSYNC[^)]*\)\s+= (\d+)/.exec(call)?.[1]))
}

function readDataCall(call: string, synchronous: Set<string | undefined>): string | null {
  const [, name, fd] =
    /\b(fdatasync|fsync|write|pwrite64|writev|pwritev)\((\d+)<[^>]*data\.mdb>/.exec(call) ?? []
  if (name === undefined) return null
  if (name.endsWith('sync')) return call.endsWith('= 0') ? 'flush' : 'failed flush'
  return synchronous.has(fd) ? 'synchronous' : 'write'
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8)
}
