import { join } from 'node:path'
import type { Test } from 'tap'
import { packedProgram, root } from './broker.js'
import type { Broker } from './broker.js'
import { runProgram } from './programs.js'

/** The commands as they are shipped. */
export const cliProgram = join(root, 'dist/broker/cli/connect-broker.js')
const testedProgram = packedProgram('connect-broker.cjs') ?? cliProgram

export interface CliResult {
  code: number | null
  output: string
  errors: string
  /** Standard output as JSON. */
  json<Value = Record<string, unknown>>(): Value
}

/** Runs `connect-broker` with these arguments to its end, as an operator would; nothing of the test's environment reaches it. */
export async function runCli(
  t: Test,
  args: string[],
  env: NodeJS.ProcessEnv = {},
  { before = [] as string[], nodeOptions = [] as string[] } = {},
): Promise<CliResult> {
  const [program, ...rest] = [
    ...before,
    process.execPath,
    '--v8-pool-size=0',
    ...nodeOptions,
    testedProgram,
    ...args,
  ] as [string, ...string[]]
  const ended = await runProgram(t, program, rest, { env: { PATH: process.env.PATH, ...env } }).ended
  return {
    ...ended,
    json: <Value>() => JSON.parse(ended.output) as Value,
  }
}

/** The settings with which a command finds this broker. */
export function settingsOf({ ports, dataDir }: Broker): NodeJS.ProcessEnv {
  return {
    HOST: '127.0.0.1',
    DATA_DIR: dataDir,
    MQTT_PORT: String(ports.mqtt),
    MQTTS_PORT: String(ports.mqtts),
    HTTP_PORT: String(ports.http),
    HTTPS_PORT: String(ports.https),
    ADMIN_PORT: String(ports.admin),
  }
}
