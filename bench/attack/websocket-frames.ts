import type { Attack } from './attack.js'
import { hold } from './hold.js'

const UPGRADE = Buffer.from(
  'GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n',
)

/** Both are closed at once; of the 35 and 60 MB that were read some lie about until the collector comes. */
const READ_LIMIT_MB = 100

/** Each byte of payload costs ws a buffer of its own until the message is whole. */
export const tinyFragments: Attack = {
  name: '1,000 WebSockets send a message in 5,000 fragments of one byte',
  run(target) {
    const fragment = (opcode: number) => Buffer.from([opcode, 0x81, 0, 0, 0, 0, 1])
    const fragments = Array.from({ length: 5_000 }, (_, i) => fragment(i === 0 ? 2 : 0))
    return hold(target, target.ports.http, Buffer.concat([UPGRADE, ...fragments]), {
      memoryLimitMb: READ_LIMIT_MB,
    })
  },
}

export const unfinishedFrame: Attack = {
  name: '1,000 WebSockets send a frame of 64 KiB but for its end',
  run(target) {
    const header = Buffer.from('82ff000000000001000000000000', 'hex')
    return hold(target, target.ports.http, Buffer.concat([UPGRADE, header, Buffer.alloc(60_000)]), {
      memoryLimitMb: READ_LIMIT_MB,
    })
  },
}
