import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { durableRedisFlags } from '../../../test/support/redis.js'
import { firstLine, startPinned } from '../processes.js'
import type { PinnedProgram } from '../processes.js'

export interface BenchRedis {
  program: PinnedProgram
  /** Path of its unix socket. */
  socket: string
  client: Redis
  /** Fields of the entries of a stream, oldest first. */
  entries(stream: string): AsyncIterable<string[]>
  stop(): Promise<void>
}

/** A Redis that has every write on its disk before it answers. */
export async function startRedisServer(directory: string, core: string): Promise<BenchRedis> {
  mkdirSync(directory, { recursive: true })
  const socket = join(directory, 'redis.sock')
  const program = startPinned({
    name: 'Redis',
    core,
    command: ['redis-server', ...durableRedisFlags(directory, socket)],
  })
  await firstLine(program, (line) => /ready to accept connections/i.test(line))
  const client = new Redis(socket)
  client.on('error', () => {}) // it ends before its client
  return {
    program,
    socket,
    client,
    async *entries(stream) {
      for (let from = '-'; ;) {
        const page = await client.xrange(stream, from, '+', 'COUNT', PAGE)
        for (const [, fields] of page) yield fields
        const last = page.at(-1)
        if (page.length < PAGE || !last) return
        from = `(${last[0]}`
      }
    },
    async stop() {
      client.disconnect()
      await program.end('SIGKILL')
    },
  }
}

const PAGE = 5_000
