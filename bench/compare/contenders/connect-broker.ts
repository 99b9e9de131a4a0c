import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ensureDemoApp } from '../../../auth/apps.js'
import { signUser } from '../../../auth/identity.js'
import { readFileSync } from 'node:fs'
import { openEmbeddedStore } from '../../../store/embedded/embedded-store.js'
import { keys } from '../../../store/redis/keys.js'
import type { TelemetryRecord } from '../../../store/store.js'
import { firstLine, freePort, startPinned } from '../processes.js'
import type { PinnedProgram } from '../processes.js'
import { topicsOf, userOf } from './contender.js'
import type { Bench, Contender, Running } from './contender.js'
import { startRedisServer } from './redis-server.js'
import type { BenchRedis } from './redis-server.js'

export const embedded: Contender = {
  name: 'embedded',
  title: 'connect-broker, embedded store',
  isDurable: true,
  transports: ['tcp', 'tls', 'ws', 'wss'],
  start: (bench) => startBroker(bench, null),
}

export const redis: Contender = {
  name: 'redis',
  title: 'connect-broker, Redis',
  isDurable: true,
  transports: ['tcp', 'tls', 'ws', 'wss'],
  start: async (bench) =>
    startBroker(bench, await startRedisServer(join(bench.directory, 'redis'), bench.cores.redis)),
}

async function startBroker(bench: Bench, redis: BenchRedis | null): Promise<Running> {
  const node = await startNode(bench, redis, bench.cores.server, 'node-1')
  return {
    ...node,
    programs: () => [node.broker(), ...(redis ? [redis.program] : [])],
    store: {
      ...(redis ? redisView(redis) : {}),
      async *read(run) {
        for await (const { externalUserId, fields } of redis ? readRedis(redis) : readEmbedded(bench))
          if (fields.run === run) yield { user: externalUserId, n: fields.n as number }
      },
    },
    async stop() {
      await node.stop()
      await redis?.stop()
    },
  }
}

export interface BrokerNode extends Pick<Running, 'startUpMs' | 'ports' | 'identity' | 'broker' | 'restart'> {
  stop(): Promise<void>
}

/** A broker of ours; nodes of one bench share its apps file. */
export async function startNode(
  bench: Bench,
  redis: Pick<BenchRedis, 'socket'> | null,
  core: string,
  name: string,
): Promise<BrokerNode> {
  const dataDir = join(bench.directory, name)
  mkdirSync(dataDir, { recursive: true })
  const appsFile = join(bench.directory, 'apps.json')
  ensureDemoApp(appsFile)
  const { apps } = JSON.parse(readFileSync(appsFile, 'utf8')) as {
    apps: { appId: string; secrets: string[] }[]
  }
  const { appId, secrets } = apps[0]!
  const [tcp, tls, ws, wss, admin] = await Promise.all(Array.from({ length: 5 }, freePort))
  const env = {
    HOST: '127.0.0.1',
    DATA_DIR: dataDir,
    APPS_FILE: appsFile,
    MQTT_PORT: String(tcp),
    MQTTS_PORT: String(tls),
    HTTP_PORT: String(ws),
    HTTPS_PORT: String(wss),
    ADMIN_PORT: String(admin),
    // The pace of one connection is not what is measured, and what is stored has to be there to be counted.
    TELEMETRY_RATE: '1000000',
    TELEMETRY_BURST: '1000000',
    TELEMETRY_PER_APP: '100000000',
    EVENTS_PER_APP: '100000000',
    ...(redis ? { REDIS_URL: redis.socket } : {}),
  }
  let program: PinnedProgram
  const start = async () => {
    const began = performance.now()
    const main = new URL('../../../broker/main.js', import.meta.url).pathname
    const command = [process.execPath, ...bench.nodeArguments, main]
    program = startPinned({ name: 'broker', core, command, env })
    await firstLine(program, (line) => line.includes('"msg":"ready"'))
    return performance.now() - began
  }
  const startUpMs = await start()
  return {
    startUpMs,
    ports: { tcp: tcp!, tls: tls!, ws: ws!, wss: wss! },
    identity(i) {
      const user = userOf(i)
      return {
        clientId: user,
        username: `sdk:${appId}:${user}`,
        password: signUser(secrets[0] as string, user),
        ...topicsOf(user),
      }
    },
    broker: () => program,
    async restart() {
      await program.end('SIGTERM')
      await start()
    },
    stop: () => program.end('SIGTERM'),
  }
}

function redisView(redis: BenchRedis) {
  return {
    count: () => redis.client.xlen(keys.telemetry(APP)),
    watch: { socket: redis.socket, stream: keys.events(APP) },
  }
}

async function* readRedis(redis: BenchRedis): AsyncIterable<TelemetryRecord> {
  for await (const fields of redis.entries(keys.telemetry(APP)))
    yield JSON.parse(fields[1] as string) as TelemetryRecord
}

/** When the broker has ended: a store has one process. */
async function* readEmbedded({ directory }: Bench): AsyncIterable<TelemetryRecord> {
  const store = openEmbeddedStore({
    directory: join(directory, 'node-1', 'store'),
    retention: { telemetryPerApp: 1e8, eventsPerApp: 1e8, reportKeysPerUser: 500, days: 365 },
  })
  try {
    yield* await store.telemetry.readLatest(APP, Infinity)
  } finally {
    await store.stop()
  }
}

const APP = 'demo-app'
