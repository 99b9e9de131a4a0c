import { get } from 'node:http'
import { isIP } from 'node:net'

/**
 * A program for container engines, which know exit codes only: 0 when the broker here takes SOS (`/readyz` is `ready`
 * or `degraded`), else 1; standard output says why. It reads ADMIN_HOST and ADMIN_PORT itself, because it runs every
 * few seconds beside the broker and the whole configuration costs ten times what the question does.
 */
function checkHealth(environment: NodeJS.ProcessEnv): void {
  const host = environment.ADMIN_HOST?.trim() || '127.0.0.1'
  const port = environment.ADMIN_PORT?.trim() || '9090'
  if (port === 'off' || port === '0')
    return tell(1, `ADMIN_PORT is ${port}: give it a number, or switch the health check off`)
  const address = ANY_ADDRESS[host] ?? host
  const url = `http://${isIP(address) === 6 ? `[${address}]` : address}:${port}/readyz`
  const fail = (reason: string) => tell(1, `${url} does not answer (${reason})`)
  try {
    const request = get(url, { agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => (body += text))
      response.on('end', () => tell(response.statusCode === 200 ? 0 : 1, body.trim()))
      response.on('error', ({ message }) => fail(message))
    })
    request.on('error', ({ message }) => fail(message))
    setTimeout(() => request.destroy(new Error(`not within ${ANSWER_LIMIT_MS} ms`)), ANSWER_LIMIT_MS).unref()
  } catch (error) {
    fail((error as Error).message) // ADMIN_PORT or ADMIN_HOST is no such thing
  }
}

function tell(exitCode: number, text: string): void {
  process.stdout.write(`${text}\n`)
  process.exitCode = exitCode
}

const ANY_ADDRESS: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
/** Below the five seconds that the Dockerfile gives the whole program. */
const ANSWER_LIMIT_MS = 3_000

checkHealth(process.env)
