import type { Attack } from './attack.js'
import { hold } from './hold.js'

/** Remaining Length 16,777,215 and the first 4,000 bytes of it; refused as soon as the length is read. */
export const announce16Mb: Attack = {
  name: '1,000 sockets announce a CONNECT of 16 MB and stop',
  run: (target) =>
    hold(target, target.ports.mqtt, Buffer.concat([Buffer.from('10ffffff07', 'hex'), Buffer.alloc(4_000)])),
}

/** The largest that may be announced, but for its last byte: these stay until their time is over. */
export const announceLargest: Attack = {
  name: '1,000 sockets send a CONNECT of 4 KiB but for its last byte',
  run: (target) =>
    hold(target, target.ports.mqtt, Buffer.concat([Buffer.from('10fd1f', 'hex'), Buffer.alloc(4_092)])),
}
