import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { busySince, readCores } from './processes.js'

/** What the figures were measured on, as lines of a page. */
export function describeMachine(): string[] {
  const all = cpus()
  return [
    `${all.length} cores, ${all[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB of memory, Linux ${kernel()}`,
    `Node ${process.versions.node}, ${version('redis-server', ['--version'], /v=(\S+)/, 'Redis')}, ` +
      version('mosquitto', ['-h'], /version (\S+)/, 'Mosquitto'),
  ]
}

/** Part of each core, 0 to 1, that others use while this program only waits. */
export async function measureOthers(cores: string[], ms: number): Promise<number> {
  const from = readCores()
  await new Promise((resolve) => setTimeout(resolve, ms))
  return Math.max(...cores.map((core) => busySince(from, core)))
}

function kernel(): string {
  return readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim()
}

function version(program: string, args: string[], pattern: RegExp, name: string): string {
  let text: string
  try {
    text = execFileSync(program, args, { encoding: 'utf8' })
  } catch (error) {
    text = String((error as { stdout?: string }).stdout ?? '') // some answer their help with an exit code
  }
  return `${name} ${pattern.exec(text)?.[1] ?? '?'}`
}
