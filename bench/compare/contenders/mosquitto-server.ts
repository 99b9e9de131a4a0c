import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ensureSelfSigned } from '../../../broker/certificate.js'
import { freePort, startPinned } from '../processes.js'
import type { PinnedProgram } from '../processes.js'

export interface Mosquitto {
  startUpMs: number
  ports: { tcp: number; tls: number }
  program(): PinnedProgram
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Mosquitto with its defaults; anybody may do anything when there are no logins. */
export async function startMosquitto(options: {
  directory: string
  core: string
  logins?: { username: string; password: string }[]
  acl?: string
}): Promise<Mosquitto> {
  const { directory, core, logins, acl } = options
  mkdirSync(directory, { recursive: true })
  const ports = { tcp: await freePort(), tls: await freePort() }
  const { certFile, keyFile } = await ensureSelfSigned(directory)
  const settings = [
    'user root', // it would give up root, and then not read the certificate's key
    `listener ${ports.tcp} 127.0.0.1`,
    `listener ${ports.tls} 127.0.0.1`,
    `certfile ${certFile}`,
    `keyfile ${keyFile}`,
    'log_type error',
  ]
  if (logins) {
    const file = join(directory, 'passwords')
    writeFileSync(file, logins.map(({ username, password }) => `${username}:${password}\n`).join(''))
    const { status, stderr } = spawnSync('mosquitto_passwd', ['-U', file], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`mosquitto_passwd: ${stderr}`)
    settings.push('allow_anonymous false', `password_file ${file}`)
  } else settings.push('allow_anonymous true')
  if (acl !== undefined) {
    const file = join(directory, 'acl')
    writeFileSync(file, acl)
    settings.push(`acl_file ${file}`)
  }
  const configFile = join(directory, 'mosquitto.conf')
  writeFileSync(configFile, `${settings.join('\n')}\n`)
  let program: PinnedProgram
  const start = async () => {
    const began = performance.now()
    const command = ['mosquitto', '-c', configFile]
    // It complains of being run by root.
    program = startPinned({ name: 'Mosquitto', core, command, stderr: 'ignore' })
    while (!(await isListening(ports.tcp))) {
      if (program.child.exitCode !== null) throw new Error(`mosquitto ended with ${program.child.exitCode}`)
      await pause(2)
    }
    return performance.now() - began
  }
  return {
    startUpMs: await start(),
    ports,
    program: () => program,
    async restart() {
      await program.end('SIGTERM')
      await start()
    },
    stop: () => program.end('SIGTERM'),
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
