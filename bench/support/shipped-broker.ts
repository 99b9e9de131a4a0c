import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { signUser } from '../../auth/identity.js'

/** The broker as it is shipped, with the default settings but for its ports. */
export interface ShippedBroker {
  child: ChildProcess
  ports: Record<'mqtt' | 'mqtts' | 'http' | 'https' | 'admin', number>
  /** Username and password of a user of the demo app. */
  signIn(externalUserId: string): { username: string; password: string }
  /** Resident memory, in bytes, as the kernel has it. */
  residentBytes(): number
}

/** @throws when it ends before it is ready. It is the caller's to end. */
export async function startShippedBroker(options: {
  dataDir: string
  env: NodeJS.ProcessEnv
  /** The only core that it may use; all of them by default. */
  core?: string
}): Promise<ShippedBroker> {
  const { dataDir, env, core } = options
  const command = [process.execPath, new URL('../../broker/main.js', import.meta.url).pathname]
  const [program, ...rest] = core === undefined ? command : ['taskset', '-c', core, ...command]
  const names = ['MQTT_PORT', 'MQTTS_PORT', 'HTTP_PORT', 'HTTPS_PORT', 'ADMIN_PORT']
  const child = spawn(program as string, rest, {
    env: {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      DATA_DIR: dataDir,
      ...Object.fromEntries(names.map((name) => [name, '0'])),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // Whatever ends this program ends what it started.
  process.once('exit', () => child.kill('SIGKILL'))
  const ports = await new Promise<ShippedBroker['ports']>((resolve, reject) => {
    child.once('close', (code) => reject(new Error(`the broker ended with ${code}`)))
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as { msg: string }
      if (line.msg === 'ready') resolve(line as unknown as ShippedBroker['ports'])
    })
  })
  const { apps } = JSON.parse(readFileSync(env.APPS_FILE ?? join(dataDir, 'apps.json'), 'utf8')) as {
    apps: { appId: string; secrets: string[] }[]
  }
  const { appId, secrets } = apps[0]!
  return {
    child,
    ports,
    signIn: (externalUserId) => ({
      username: `sdk:${appId}:${externalUserId}`,
      password: signUser(secrets[0] as string, externalUserId),
    }),
    residentBytes() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
    },
  }
}
