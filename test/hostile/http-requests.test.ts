import t from 'tap'
import { startBroker } from '../support/broker.js'
import { createPhone } from '../support/http.js'
import { dial, untilClosed } from '../support/proxied.js'

const broker = await startBroker(t, { env: { CONNECT_TIMEOUT_MS: '2000' } })
const { http } = broker.ports
const { appId, externalUserId, password } = broker.credentials('ann')
const IDENTITY = `X-App-ID: ${appId}\r\nX-User-ID: ${externalUserId}\r\nAuthorization: Bearer ${password}\r\n`
const SOS = `POST /v1/sdk/sos HTTP/1.1\r\nHost: x\r\n${IDENTITY}`
const ME = `GET /v1/sdk/me HTTP/1.1\r\nHost: x\r\n${IDENTITY}`
/** What would be answered if it were read as a request of its own. */
const SMUGGLED = `GET /docs HTTP/1.1\r\nHost: x\r\n\r\n`
const CHUNKED = 'Transfer-Encoding: chunked\r\n'
const LAST_CHUNK = '0\r\n\r\n'

// Fifteen seconds are the limit of a whole request; they pass while the others are tried.
const slowBody = await dial(t, http)
slowBody.write(`${SOS}Content-Length: 10\r\n\r\n{`)

/** A request, and every status that comes before the connection is closed. */
const requests: Record<string, [request: string, ...statuses: number[]]> = {
  'Content-Length and Transfer-Encoding': [
    `${SOS}Content-Length: 5\r\n${CHUNKED}\r\n${LAST_CHUNK}${SMUGGLED}`,
    400,
  ],
  'Transfer-Encoding and Content-Length': [
    `${SOS}${CHUNKED}Content-Length: 5\r\n\r\n${LAST_CHUNK}${SMUGGLED}`,
    400,
  ],
  'two Content-Length that differ': [`${SOS}Content-Length: 0\r\nContent-Length: 40\r\n\r\n${SMUGGLED}`, 400],
  'two Content-Length that agree': [`${SOS}Content-Length: 0\r\nContent-Length: 0\r\n\r\n${SMUGGLED}`, 400],
  'a list of Content-Length': [`${SOS}Content-Length: 0, 0\r\n\r\n${SMUGGLED}`, 400],
  'a Content-Length with a plus': [`${SOS}Content-Length: +0\r\n\r\n${SMUGGLED}`, 400],
  'a negative Content-Length': [`${SOS}Content-Length: -1\r\n\r\n${SMUGGLED}`, 400],
  'a hexadecimal Content-Length': [`${SOS}Content-Length: 0x0\r\n\r\n${SMUGGLED}`, 400],
  'a Content-Length beyond 64 bits': [`${SOS}Content-Length: 99999999999999999999\r\n\r\n${SMUGGLED}`, 400],
  'a Content-Length with a space inside': [`${SOS}Content-Length: 0 0\r\n\r\n${SMUGGLED}`, 400],
  'an empty Content-Length': [`${SOS}Content-Length:\r\n\r\n${SMUGGLED}`, 400],
  'an unknown Transfer-Encoding': [`${SOS}Transfer-Encoding: xchunked\r\n\r\n${LAST_CHUNK}${SMUGGLED}`, 400],
  'chunked that is not the last coding': [
    `${SOS}Transfer-Encoding: chunked, identity\r\n\r\n${LAST_CHUNK}${SMUGGLED}`,
    400,
  ],
  'two Transfer-Encoding': [
    `${SOS}${CHUNKED}Transfer-Encoding: identity\r\n\r\n${LAST_CHUNK}${SMUGGLED}`,
    400,
  ],
  'a space before the colon': [`${SOS}Transfer-Encoding : chunked\r\n\r\n${LAST_CHUNK}${SMUGGLED}`, 400],
  'a vertical tab before chunked': [
    `${SOS}Transfer-Encoding: \u000bchunked\r\n\r\n${LAST_CHUNK}${SMUGGLED}`,
    400,
  ],
  'a folded header': [`${SOS}X-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n${SMUGGLED}`, 400],
  'a folded Transfer-Encoding': [`${SOS}Transfer-Encoding:\r\n chunked\r\n\r\n${LAST_CHUNK}${SMUGGLED}`, 400],
  'bare line feeds': [`${ME.replaceAll('\r\n', '\n')}\n`, 400],
  'one bare line feed': [`${ME}X-A: a\nX-B: b\r\n\r\n`, 400],
  'a bare carriage return': [`${ME}X-A: a\rX-B: b\r\n\r\n`, 400],
  'NUL in a header': [`${ME}X-A: a\u0000b\r\n\r\n`, 400],
  'NUL in a path': [`GET /v1/sdk/\u0000me HTTP/1.1\r\nHost: x\r\n${IDENTITY}\r\n`, 400],
  'a space in a path': [`GET /v1/sdk/me x HTTP/1.1\r\nHost: x\r\n${IDENTITY}\r\n`, 400],
  'a header without a colon': [`${ME}nonsense\r\n\r\n`, 400],
  'a header name with a space': [`${ME}X A: b\r\n\r\n`, 400],
  'a first header that is indented': [`GET /v1/sdk/me HTTP/1.1\r\n Host: x\r\n${IDENTITY}\r\n`, 400],
  'no Host': [`GET /v1/sdk/me HTTP/1.1\r\n${IDENTITY}\r\n`, 400],
  'a negative chunk': [`${SOS}${CHUNKED}\r\n-1\r\n${LAST_CHUNK}${SMUGGLED}`, 400],
  'a chunk beyond 64 bits': [`${SOS}${CHUNKED}\r\nffffffffffffffffff\r\n${LAST_CHUNK}`, 400],
  'a chunk size with 0x': [`${SOS}${CHUNKED}\r\n0x1\r\nx\r\n${LAST_CHUNK}${SMUGGLED}`, 400],
  'chunks that end with a bare line feed': [`${SOS}${CHUNKED}\r\n1\nx\n0\n\n${SMUGGLED}`, 400],
  'a chunk longer than it says': [`${SOS}${CHUNKED}\r\n1\r\nxGET\r\n${LAST_CHUNK}${SMUGGLED}`, 400],
  'a chunk extension of 20 KB': [`${SOS}${CHUNKED}\r\n1;${'a'.repeat(20_000)}\r\nx\r\n${LAST_CHUNK}`, 413],
  'a version that is none': [`GET /v1/sdk/me HTTP/1.2\r\nHost: x\r\n\r\n`, 400],
  'HTTP/2': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  'a method in lower case': [`get /v1/sdk/me HTTP/1.1\r\nHost: x\r\n\r\n`, 400],
  'a method that is none': [`PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n\r\n`, 400],
  CONNECT: ['CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n'],
  'headers of more than 8 KiB': [`${ME}X-A: ${'a'.repeat(9_000)}\r\n\r\n`, 431],
  'a path of more than 8 KiB': [`GET /${'a'.repeat(9_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
  'a body where none belongs is no second request': [
    `GET /docs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    200,
  ],
}

for (const [name, [request, ...statuses]] of Object.entries(requests)) {
  t.test(`nothing behind a request that can be read in two ways is answered: ${name}`, async (t) => {
    const socket = await dial(t, http)
    socket.write(request, 'latin1')
    t.strictSame(statusesOf(await untilClosed(socket)), statuses)
  })
}

for (const name of ['Host', 'Authorization', 'X-App-ID', 'X-User-ID', 'Content-Type']) {
  t.test(`a request in which ${name} stands twice is refused`, async (t) => {
    const socket = await dial(t, http)
    socket.write(`${ME}Content-Type: a\r\n${name}: other\r\nConnection: close\r\n\r\n`)
    const text = await untilClosed(socket)
    t.strictSame(statusesOf(text), [400])
    t.match(text, `${name.toLowerCase()}: stands twice`)
  })
}

t.test('none of all this has raised an alarm', async (t) => {
  t.equal((await createPhone(broker, broker.credentials('ann')).get('/v1/sdk/sos')).text, '{"incident":null}')
})

t.test('headers that do not come in time end the connection, however they trickle', async (t) => {
  for (const port of [http, broker.ports.https]) {
    const socket = await dial(t, port)
    const trickle = setInterval(() => socket.write('X-More: and more\r\n'), 100)
    socket.write('GET /docs HTTP/1.1\r\nHost: x\r\n')
    t.match(await untilClosed(socket), /^$|^HTTP\/1\.1 408 /)
    clearInterval(trickle)
  }
})

t.test('the body of a request that names nobody is not read', async (t) => {
  const socket = await dial(t, http)
  socket.write('POST /v1/sdk/sos HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\nConnection: close\r\n\r\n{')
  t.strictSame(statusesOf(await untilClosed(socket)), [401])
})

t.test('a body that does not come in time ends the connection', async (t) => {
  t.strictSame(statusesOf(await untilClosed(slowBody)), [408])
})

function statusesOf(text: string): number[] {
  return [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status))
}
