import type { Attack } from './attack.js'
import { hold } from './hold.js'

const HEADERS = 'POST /v1/sdk/sos HTTP/1.1\r\nHost: x\r\n'

export const slowHeaders: Attack = {
  name: '1,000 HTTP requests send a header line every 0.3 s',
  run: (target) =>
    hold(target, target.ports.http, Buffer.from(HEADERS), { next: Buffer.from('X-More: and more\r\n') }),
}

export const slowBodies: Attack = {
  name: '1,000 HTTP bodies of 64 KiB come byte by byte',
  run: (target) =>
    hold(target, target.ports.http, Buffer.from(`${HEADERS}Content-Length: 65536\r\n\r\n`), {
      next: Buffer.from('{'),
    }),
}
