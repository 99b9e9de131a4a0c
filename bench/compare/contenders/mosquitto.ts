import { join } from 'node:path'
import { signUser } from '../../../auth/identity.js'
import { firstLine, startPinned } from '../processes.js'
import { topicsOf, userOf } from './contender.js'
import type { Contender } from './contender.js'
import { startMosquitto } from './mosquitto-server.js'
import { startRedisServer } from './redis-server.js'
import { EVENTS_STREAM, TELEMETRY_STREAM } from './pipeline-keys.js'

export const mosquitto: Contender = {
  name: 'mosquitto',
  title: 'Mosquitto as it comes: no login, nothing stored',
  isDurable: false,
  transports: ['tcp', 'tls'],
  async start({ directory, cores }) {
    const server = await startMosquitto({ directory, core: cores.server })
    return {
      startUpMs: server.startUpMs,
      ports: server.ports,
      identity: (i) => ({ clientId: userOf(i), ...topicsOf(userOf(i)) }),
      programs: () => [server.program()],
      broker: server.program,
      restart: server.restart,
      stop: server.stop,
    }
  },
}

/** What a team builds from parts: see pipeline-worker.ts. */
export const pipeline: Contender = {
  name: 'pipeline',
  title: 'Mosquitto with password file and ACL, a Node worker, Redis',
  isDurable: true,
  transports: ['tcp', 'tls'],
  async start({ directory, cores, users, nodeArguments }) {
    const redis = await startRedisServer(join(directory, 'redis'), cores.redis)
    // Its password file takes no colon in a name, so the user's id alone is the name.
    const logins = Array.from({ length: users }, (_, i) => {
      const username = userOf(i)
      return { username, password: signUser(SECRET, username) }
    })
    const server = await startMosquitto({
      directory,
      core: cores.server,
      logins: [...logins, { username: 'worker', password: SECRET }],
      acl: ACL,
    })
    const began = performance.now()
    const program = new URL('pipeline-worker.js', import.meta.url).pathname
    const command = [
      process.execPath,
      ...nodeArguments,
      program,
      String(server.ports.tcp),
      SECRET,
      redis.socket,
    ]
    const worker = startPinned({ name: 'worker', core: cores.server, command })
    await firstLine(worker, (line) => line === 'ready')
    return {
      startUpMs: server.startUpMs + performance.now() - began,
      ports: server.ports,
      identity: (i) => ({ clientId: userOf(i), ...logins[i]!, ...topicsOf(userOf(i)) }),
      programs: () => [server.program(), worker, redis.program],
      broker: server.program,
      store: {
        count: () => redis.client.xlen(TELEMETRY_STREAM),
        watch: { socket: redis.socket, stream: EVENTS_STREAM },
        async *read(run) {
          for await (const fields of redis.entries(TELEMETRY_STREAM)) {
            const record = JSON.parse(fields[1] as string) as { user: string; run?: string; n: number }
            if (record.run === run) yield record
          }
        },
      },
      restart: server.restart,
      async stop() {
        await worker.end('SIGTERM')
        await server.stop()
        await redis.stop()
      },
    }
  },
}

const SECRET = 'secret-of-a-benchmark'
const ACL = `user worker
topic read tel/+/data
topic read sos/alerts/+
topic write sos/events/+

pattern write tel/%u/data
pattern write sos/alerts/%u
pattern read sos/events/%u
`
