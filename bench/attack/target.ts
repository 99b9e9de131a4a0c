import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import mqttPacket from 'mqtt-packet'
import { signUser } from '../../auth/identity.js'

/** A broker of its own for one attack, with the default settings but for its ports. */
export interface Target {
  ports: Record<'mqtt' | 'mqtts' | 'http' | 'https' | 'admin', number>
  /** Resident memory, in bytes, as the kernel has it. */
  residentBytes(): number
  /** The bytes of a CONNECT of a signed user. */
  connectBytes(externalUserId: string): Buffer
  stop(): Promise<void>
}

export async function startTarget(env: NodeJS.ProcessEnv = {}): Promise<Target> {
  const dataDir = mkdtempSync(join(tmpdir(), 'connect-broker-'))
  const names = ['MQTT_PORT', 'MQTTS_PORT', 'HTTP_PORT', 'HTTPS_PORT', 'ADMIN_PORT']
  const child = spawn(process.execPath, [new URL('../../broker/main.js', import.meta.url).pathname], {
    env: {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      DATA_DIR: dataDir,
      ...Object.fromEntries(names.map((name) => [name, '0'])),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ports = await new Promise<Target['ports']>((resolve, reject) => {
    child.once('close', () => reject(new Error('the broker did not start')))
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as { msg: string }
      if (line.msg === 'ready') resolve(line as unknown as Target['ports'])
    })
  })
  const { apps } = JSON.parse(readFileSync(join(dataDir, 'apps.json'), 'utf8')) as {
    apps: { appId: string; secrets: string[] }[]
  }
  const [{ appId, secrets } = { appId: '', secrets: [] }] = apps
  return {
    ports,
    residentBytes() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
    },
    connectBytes: (externalUserId) =>
      mqttPacket.generate({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clean: true,
        clientId: 'attack',
        keepalive: 30,
        username: `sdk:${appId}:${externalUserId}`,
        password: Buffer.from(signUser(secrets[0] ?? '', externalUserId)),
      }),
    async stop() {
      child.kill('SIGKILL')
      await once(child, 'close')
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** A connection; resolves when it stands, or is refused. */
export async function open(port: number, from = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from })
  socket.on('error', () => {}) // a reset is an answer too
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
  return socket
}

/** Milliseconds until a legitimate client has its CONNACK; infinite when it does not get one. */
export async function timeToConnack(target: Target, from = '127.0.0.1'): Promise<number> {
  const began = performance.now()
  const socket = await open(target.ports.mqtt, from)
  socket.write(target.connectBytes('legitimate'))
  const isIn = await new Promise<boolean>((resolve) => {
    socket.once('data', (bytes: Buffer) => resolve(bytes.toString('hex') === '20020000'))
    socket.once('close', () => resolve(false))
    if (socket.destroyed) resolve(false)
  })
  socket.destroy()
  return isIn ? performance.now() - began : Number.POSITIVE_INFINITY
}
