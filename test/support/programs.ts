import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import { askAgain } from './ask-again.js'

export interface Program {
  /** Standard output so far. */
  output(): string
  /** Resolves with the output once it fits; rejects when the program ends before. */
  until(fits: (output: string) => boolean): Promise<string>
  /** Resolves when the program has ended: its code, standard output and standard error. */
  ended: Promise<{ code: number | null; output: string; errors: string }>
  write(text: string): void
}

/** Runs a program that is not ours; what still runs when the test ends is killed. */
export function runProgram(
  t: Test,
  command: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Program {
  const child = spawn(command, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  let check: () => void = () => {}
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk
    check()
  })
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk))
  child.stdin.on('error', () => {}) // it may be gone already
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, output, errors }))
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await ended
  })
  return {
    output: () => output,
    until: (fits) =>
      new Promise((resolve, reject) => {
        check = () => fits(output) && resolve(output)
        check()
        void ended.then(({ code }) => reject(new Error(`${command} ended with ${code}: ${output} ${errors}`)))
      }),
    ended,
    write: (text) => child.stdin.write(text),
  }
}

/** One number from a page of /metrics; 0 while it is not there. */
export async function readMetric(adminPort: number, sample: string): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
  const line = page.split('\n').find((text) => text.startsWith(`${sample} `))
  return line === undefined ? 0 : Number(line.slice(sample.length))
}

/** Asks until the broker has granted this many topic filters: then the subscribers miss nothing. */
export async function untilSubscribed(adminPort: number, count: number): Promise<void> {
  const sample = 'connect_broker_subscriptions_total{outcome="granted"}'
  while ((await readMetric(adminPort, sample)) < count) await askAgain()
}
