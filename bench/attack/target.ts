import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import mqttPacket from 'mqtt-packet'
import { startShippedBroker } from '../support/shipped-broker.js'
import type { ShippedBroker } from '../support/shipped-broker.js'

/** A broker of its own for one attack. */
export interface Target extends Pick<ShippedBroker, 'ports' | 'residentBytes'> {
  /** The bytes of a CONNECT of a signed user. */
  connectBytes(externalUserId: string, version?: 4 | 5): Buffer
  stop(): Promise<void>
}

export async function startTarget(env: NodeJS.ProcessEnv = {}): Promise<Target> {
  const dataDir = mkdtempSync(join(tmpdir(), 'connect-broker-'))
  const { child, ports, residentBytes, signIn } = await startShippedBroker({ dataDir, env })
  return {
    ports,
    residentBytes,
    connectBytes(externalUserId, version = 4) {
      const { username, password } = signIn(externalUserId)
      return mqttPacket.generate({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: version,
        clean: true,
        clientId: 'attack',
        keepalive: 600, // whoever waits for its turn here does not ping
        username,
        password: Buffer.from(password),
      })
    },
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
