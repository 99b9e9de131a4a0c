import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** A program on a core of its own. */
export interface PinnedProgram {
  /** For the report: which program of a contender it is. */
  name: string
  child: ChildProcess
  /** User and system, so far; what it used is still known when it has ended. */
  cpuSeconds(): number
  residentBytes(): number
  /** Sends the signal and waits for the end; nothing when it has ended. */
  end(signal: NodeJS.Signals): Promise<void>
}

/** Whatever ends this program ends what it started. */
export function startPinned(options: {
  name: string
  core: string
  command: string[]
  env?: NodeJS.ProcessEnv
  stdin?: 'pipe' | 'ignore'
  /** By default what it complains of is seen. */
  stderr?: 'inherit' | 'ignore'
}): PinnedProgram {
  const { name, core, command, env, stdin = 'ignore', stderr = 'inherit' } = options
  const child = spawn('taskset', ['-c', core, ...command], {
    env: { PATH: process.env.PATH, ...env },
    stdio: [stdin, 'pipe', stderr],
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  let last = 0
  const cpuSeconds = () => {
    try {
      last = hasEnded() ? last : readCpuSeconds(child.pid as number)
    } catch {
      // gone between the look and the reading
    }
    return last
  }
  return {
    name,
    child,
    cpuSeconds,
    residentBytes() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
    },
    async end(signal) {
      if (hasEnded()) return
      cpuSeconds()
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    },
  }
}

const running = new Set<ChildProcess>()
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')))

/** Ends what a measure left running when it failed. */
export async function endEverything(): Promise<void> {
  const ended = [...running].map((child) => once(child, 'exit'))
  for (const child of running) child.kill('SIGKILL')
  await Promise.all(ended)
}

/** Resolves with the first line that fits. @throws when the program ends before. */
export async function firstLine(program: PinnedProgram, fits: (line: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: program.child.stdout as Readable })
    let last = ''
    lines.on('line', (line) => {
      last = line
      if (fits(line)) resolve(line)
    })
    program.child.once('close', (code) => reject(new Error(`${program.name} ended with ${code}: ${last}`)))
  })
}

/**
 * Below those that the kernel gives to clients: ten thousand of them, that come back while nobody listens, would
 * else take the port themselves or connect to themselves.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('listening', () => resolve(true))
      server.once('error', () => resolve(false))
    })
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

/** A point from which one can ask how busy the cores were. */
export interface CoreReading {
  [core: string]: { busy: number; all: number }
}

/** From the kernel: everything that ran on the machine, ours or not. */
export function readCores(): CoreReading {
  const lines = readFileSync('/proc/stat', 'utf8').matchAll(/^cpu(\d+) (.*)$/gm)
  return Object.fromEntries(
    [...lines].map(([, core, text]) => {
      const fields = (text as string).trim().split(/ +/).map(Number).slice(0, 8)
      const all = fields.reduce((sum, ticks) => sum + ticks, 0)
      return [core, { busy: all - (fields[3] ?? 0) - (fields[4] ?? 0), all }]
    }),
  )
}

/** Part of the time, 0 to 1, in which `core` was busy since `from`. */
export function busySince(from: CoreReading, core: string): number {
  const [before, now] = [from[core], readCores()[core]]
  if (!before || !now || now.all === before.all) return Number.NaN
  return (now.busy - before.busy) / (now.all - before.all)
}

function readCpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS
}

/** USER_HZ of Linux. */
const CLOCK_TICKS = 100
const FIRST_PORT = 20_000
const PORTS = 10_000
