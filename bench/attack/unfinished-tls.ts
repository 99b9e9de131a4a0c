import { connect } from 'node:tls'
import { PassThrough, Duplex } from 'node:stream'
import type { Attack } from './attack.js'
import { hold } from './hold.js'

export const silentTls: Attack = {
  name: '1,000 sockets on the TLS port say nothing',
  run: (target) => hold(target, target.ports.mqtts, Buffer.alloc(0)),
}

export const announceHello: Attack = {
  name: '1,000 sockets announce a ClientHello of 128 KiB',
  run: (target) =>
    hold(target, target.ports.mqtts, Buffer.from('160301000401 01ffb8'.replaceAll(' ', ''), 'hex')),
}

export const halfHello: Attack = {
  name: '1,000 sockets send half a ClientHello',
  async run(target) {
    const hello = await makeClientHello()
    return hold(target, target.ports.mqtts, hello.subarray(0, hello.length - 1))
  },
}

export const unfinishedTls: Attack = {
  name: '1,000 sockets send a ClientHello and stop there',
  async run(target) {
    return hold(target, target.ports.mqtts, await makeClientHello(), { memoryLimitMb: HANDSHAKES_LIMIT_MB })
  },
}

/** Here OpenSSL has begun, and keeps 40 KiB and more for each; nothing of ours can make that less. */
const HANDSHAKES_LIMIT_MB = 80

/** What a TLS client of Node says first. */
async function makeClientHello(): Promise<Buffer> {
  const sent = new PassThrough()
  const socket = connect({ socket: Duplex.from({ readable: new PassThrough(), writable: sent }) })
  socket.on('error', () => {})
  const hello = await new Promise<Buffer>((resolve) => sent.once('data', resolve))
  socket.destroy()
  return hello
}
