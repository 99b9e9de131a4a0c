import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { spawnBroker } from '../../test/support/broker.js'
import { durableRedisFlags } from '../../test/support/redis.js'

/** A program that is meant to run, and is started again on the same data after each end. */
export interface Program {
  /** How often it got SIGKILL while it ran. */
  kills: number
  /** Starts it; does not wait until it serves. */
  start(): void
  /** Sends the signal and waits for the end. The exit code; null when a signal ended it. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null>
  /** Stops it where it is. */
  freeze(): void
  /** Lets it go on. */
  thaw(): void
}

interface SupervisedProgram extends Program {
  /** Unless it was ended on purpose meanwhile. */
  startIfWanted(): void
}

/** redis-server on a unix socket in `directory`: every write is on disk before it is answered. */
export function createRedisProgram(options: {
  directory: string
  socket: string
  onProblem: (text: string) => void
}): Program {
  const { directory, socket, onProblem } = options
  const log = openSync(join(directory, 'redis.log'), 'a')
  const flags = durableRedisFlags(directory, socket)
  return createProgram(
    () => spawn('redis-server', flags, { stdio: ['ignore', log, log] }),
    (code) => onProblem(`Redis ended by itself with ${code}`),
  )
}

/**
 * The broker. One that could not start (exit code 1: Redis is away) is started again, as a supervisor would;
 * every other end of its own is a problem.
 */
export function createBrokerProgram(options: {
  env: NodeJS.ProcessEnv
  logFile: string
  onProblem: (text: string) => void
}): Program {
  let isReady = false
  const program = createProgram(
    () => {
      const child = spawnBroker(options.env)
      isReady = false
      createInterface({ input: child.stdout! }).on('line', (line) => {
        appendFileSync(options.logFile, `${line}\n`)
        if (line.includes('"msg":"ready"')) isReady = true
      })
      child.stderr!.on('data', (chunk: Buffer) => appendFileSync(options.logFile, chunk))
      return child
    },
    async (code) => {
      if (code !== 1 || isReady) options.onProblem(`the broker ended by itself with ${code}`)
      await pause(START_AGAIN_MS)
      program.startIfWanted()
    },
  )
  return program
}

function createProgram(
  spawnIt: () => ChildProcess,
  onOwnEnd: (code: number | null) => unknown,
): SupervisedProgram {
  let child: ChildProcess | null = null
  /** Whoever ends the process on purpose also ends what would start it again. */
  let isWanted = false
  process.on('exit', () => child?.kill('SIGKILL'))
  const isRunning = () => child !== null && child.exitCode === null && child.signalCode === null

  function start(): void {
    if (isRunning()) return
    isWanted = true
    const started = spawnIt()
    child = started
    started.once('close', (code) => {
      if (isWanted && child === started) onOwnEnd(code)
    })
  }

  const program: SupervisedProgram = {
    kills: 0,
    start,
    startIfWanted: () => void (isWanted && start()),
    async end(signal) {
      if (isWanted) start() // it may be waiting for its next try
      isWanted = false
      if (!child || !isRunning()) return null
      const ended = once(child, 'close')
      if (child.kill(signal) && signal === 'SIGKILL') program.kills++
      await ended
      return child.exitCode
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
  }
  return program
}

const START_AGAIN_MS = 100
