import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { askAgain } from './ask-again.js'
import { temporaryDirectory } from './broker.js'
import { runProgram } from './programs.js'
import { findFreePort } from './redis-cluster.js'
import { startRedis } from './redis.js'
import type { RedisServer } from './redis.js'

const NAME = 'main'
const QUORUM = 2

export interface Sentinels {
  url: string
  /** A master and its replica; they change their parts. */
  master(): Promise<RedisServer>
  replica(): Promise<RedisServer>
  /** Sends a signal to the Sentinel that the URL names first. */
  signalFirst(signal: NodeJS.Signals): void
  /** Waits until the replica has everything that the master has. */
  settled(): Promise<void>
}

/** A master, a replica and three Sentinels that change their parts when the master is gone for half a second. */
export async function startRedisSentinel(t: Test): Promise<Sentinels> {
  const servers = await Promise.all([startServer(t), startServer(t)])
  await servers[1]!.client.replicaof('127.0.0.1', servers[0]!.port)
  const sentinels = await Promise.all([0, 1, 2].map(() => startSentinel(t, servers[0]!.port)))
  for (const { client } of sentinels) while (!(await knowsAll(client))) await askAgain()

  async function masterAt(): Promise<number> {
    const [, port] = (await sentinels[1]!.client.call(
      'SENTINEL',
      'GET-MASTER-ADDR-BY-NAME',
      NAME,
    )) as string[]
    return servers.findIndex((server) => server.port === Number(port))
  }
  const master = async () => servers[await masterAt()]!
  const replica = async () => servers[1 - (await masterAt())]!
  return {
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${NAME}`,
    master,
    replica,
    signalFirst: (signal) => sentinels[0]!.signal(signal),
    async settled() {
      while (!/role:slave[^]*master_link_status:up/.test(await (await replica()).client.info('replication')))
        await askAgain()
      const { client } = await master()
      await client.set('test:settled', '')
      await client.wait(1, 0)
    },
  }
}

async function startServer(t: Test): Promise<RedisServer & { port: number }> {
  const port = await findFreePort()
  const settings = `--bind 127.0.0.1 --port ${port} --repl-diskless-sync-delay 0`
  return { ...(await startRedis(t, settings.split(' '))), port }
}

async function startSentinel(t: Test, masterPort: number) {
  const [port, directory] = [await findFreePort(), temporaryDirectory(t)]
  const file = join(directory, 'sentinel.conf')
  writeFileSync(
    file,
    `bind 127.0.0.1
port ${port}
dir ${directory}
sentinel monitor ${NAME} 127.0.0.1 ${masterPort} ${QUORUM}
sentinel down-after-milliseconds ${NAME} 500
sentinel failover-timeout ${NAME} 3000
`,
  )
  const program = runProgram(t, 'redis-server', [file, '--sentinel'])
  const output = await program.until((text) => /Sentinel ID is/.test(text))
  const [, id] = /^(\d+):X/m.exec(output) ?? []
  const client = new Redis(port, '127.0.0.1')
  client.on('error', () => {}) // it ends with the test
  t.teardown(() => client.disconnect())
  return { port, client, signal: (signal: NodeJS.Signals) => process.kill(Number(id), signal) }
}

async function knowsAll(sentinel: Redis): Promise<boolean> {
  const fields = (await sentinel.call('SENTINEL', 'MASTER', NAME)) as string[]
  const numberOf = (name: string) => Number(fields[fields.indexOf(name) + 1])
  return numberOf('num-slaves') === 1 && numberOf('num-other-sentinels') === 2
}
