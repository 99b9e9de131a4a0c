import { mkdirSync } from 'node:fs'
import { signUser } from '../../../auth/identity.js'
import { firstLine, freePort, startPinned } from '../processes.js'
import type { PinnedProgram } from '../processes.js'
import { topicsOf, userOf } from './contender.js'
import type { Contender } from './contender.js'

/** The same engine without gate, handlers and store; it speaks no MQTT 5. */
export const aedes: Contender = {
  name: 'aedes',
  title: 'Aedes 1.2.0 with the same login and topic check, nothing stored',
  isDurable: false,
  transports: ['tcp', 'tls'],
  async start({ directory, cores, nodeArguments }) {
    mkdirSync(directory, { recursive: true })
    const [tcp, tls] = [await freePort(), await freePort()]
    const server = new URL('bare-aedes-server.js', import.meta.url).pathname
    const command = [process.execPath, ...nodeArguments, server, SECRET, String(tcp), String(tls), directory]
    let program: PinnedProgram
    const start = async () => {
      const began = performance.now()
      program = startPinned({ name: 'Aedes', core: cores.server, command })
      await firstLine(program, (line) => line === 'ready')
      return performance.now() - began
    }
    return {
      startUpMs: await start(),
      ports: { tcp, tls },
      identity(i) {
        const user = userOf(i)
        const username = `sdk:demo-app:${user}`
        return { clientId: user, username, password: signUser(SECRET, user), ...topicsOf(user) }
      },
      programs: () => [program],
      broker: () => program,
      async restart() {
        await program.end('SIGTERM')
        await start()
      },
      stop: () => program.end('SIGTERM'),
    }
  },
}

const SECRET = 'secret-of-a-benchmark'
