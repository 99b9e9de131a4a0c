import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { root, startBroker, temporaryDirectory } from '../support/broker.js'
import { readCompose } from '../support/compose.js'
import { runProgram } from '../support/programs.js'
import { readReadiness, readinessUntil } from '../support/readiness.js'

const { broker: shippedBroker, redis: shippedRedis } = readCompose('compose.yaml').services

t.test(
  'the Redis of compose.yaml asks for the password of the secret, and the health checks tell',
  async (t) => {
    const redis = await startShippedRedis(t)
    const dataDir = temporaryDirectory(t)
    writeFileSync(join(dataDir, 'journal'), 'a file where the directory would be')
    const env = { ...shippedBroker?.environment, ADMIN_HOST: '127.0.0.1', REDIS_URL_FILE: redis.urlFile }
    const broker = await startBroker(t, { env, dataDir })
    const adminPort = String(broker.ports.admin)

    t.match(await readReadiness(broker), { status: 'degraded', reasons: [/journal/, /on the disk of Redis/] })
    t.equal(await redis.checkHealth(), 0)
    t.match(await redis.askWithoutPassword(), /NOAUTH/)
    t.match(await checkHealth(t, { ADMIN_PORT: adminPort }), { code: 0, output: /"degraded"/ })
    t.match(await checkHealth(t, { ADMIN_PORT: adminPort, ADMIN_HOST: '0.0.0.0' }), { code: 0 })

    await redis.stop()
    t.not(await redis.checkHealth(), 0)
    await readinessUntil(broker, ({ status }) => status === 'not-ready')
    t.match(await checkHealth(t, { ADMIN_PORT: adminPort }), { code: 1, output: /"not-ready"/ })

    await broker.stop()
    t.match(await checkHealth(t, { ADMIN_PORT: adminPort }), { code: 1, output: /does not answer/ })
  },
)

t.test('the health check says when it has no port to ask', async (t) => {
  t.match(await checkHealth(t, { ADMIN_PORT: 'off' }), { code: 1, output: /ADMIN_PORT is off/ })
  t.match(await checkHealth(t, { ADMIN_PORT: '123456' }), { code: 1, output: /does not answer/ })
  t.match(await checkHealth(t, { ADMIN_HOST: '127.0.0.255' }), { output: /127\.0\.0\.255:9090/ })
})

t.test(
  'a secret that is no address of Redis ends its start, before a Redis without a password runs',
  async (t) => {
    const { code, output } = await shippedCommand(t, 'redis://redis:6379').run.ended
    t.equal(code, 1)
    t.match(output, /secrets\/redis-url/)
  },
)

function checkHealth(t: Test, env: NodeJS.ProcessEnv): Promise<{ code: number | null; output: string }> {
  const program = join(root, 'dist/broker/healthcheck.js')
  return runProgram(t, process.execPath, [program], { env }).ended
}

/** The command of compose.yaml, with the paths of a container turned into ones of the test, on a free loopback port. */
function shippedCommand(t: Test, url: string, port = 0) {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'data'))
  const urlFile = join(directory, 'redis-url')
  writeFileSync(urlFile, `${url}\n`)
  const local = (text: string) =>
    text
      .replaceAll('/run/secrets/redis-url', urlFile)
      .replaceAll('/tmp/password.conf', join(directory, 'password.conf'))
      .replaceAll('/etc/redis/redis.conf', `${join(directory, 'redis.conf')} --port ${port} --bind 127.0.0.1`)
      .replaceAll('$$', '$')
  const settings = readFileSync(join(root, 'deploy/redis.conf'), 'utf8')
  writeFileSync(
    join(directory, 'redis.conf'),
    local(settings).replace('dir /data', `dir ${join(directory, 'data')}`),
  )
  const [shell = '', ...args] = shippedRedis?.command ?? []
  return { run: runProgram(t, shell, args.map(local)), urlFile, local }
}

async function startShippedRedis(t: Test) {
  const port = await freePort()
  const { run, urlFile, local } = shippedCommand(
    t,
    `redis://:a-password-of-this-test@127.0.0.1:${port}`,
    port,
  )
  await run.until((output) => output.includes('Ready to accept connections'))
  const [, check = ''] = shippedRedis?.healthcheck?.test ?? []
  return {
    urlFile,
    async askWithoutPassword() {
      return (await runProgram(t, 'redis-cli', ['-p', String(port), 'ping']).ended).output
    },
    async checkHealth() {
      const command = local(check).replace('redis-cli', `redis-cli -p ${port}`)
      return (await runProgram(t, 'sh', ['-c', command]).ended).code
    },
    async stop() {
      const password = 'a-password-of-this-test'
      const env = { PATH: process.env.PATH, REDISCLI_AUTH: password }
      await runProgram(t, 'redis-cli', ['-p', String(port), 'shutdown'], { env }).ended
      await run.ended
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
