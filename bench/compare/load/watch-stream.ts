import { Redis } from 'ioredis'

/** Reads a stream of Redis from its end on; `onEntry` gets the text of each entry as soon as Redis tells it. */
export async function watchStream(
  { socket, stream }: { socket: string; stream: string },
  onEntry: (text: string) => void,
): Promise<void> {
  const redis = new Redis(socket)
  redis.on('error', () => {}) // Redis may end first
  const [last] = await redis.xrevrange(stream, '+', '-', 'COUNT', 1)
  void follow(last?.[0] ?? '0-0').catch(() => {})

  async function follow(after: string): Promise<void> {
    const found = await redis.xread('BLOCK', 0, 'STREAMS', stream, after)
    const entries = found?.[0]?.[1] ?? []
    for (const [, fields] of entries) onEntry(fields.join(' '))
    return follow(entries.at(-1)?.[0] ?? after)
  }
}
