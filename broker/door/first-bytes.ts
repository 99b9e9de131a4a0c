import type { Socket } from 'node:net'

export type Found<Value> = { is: 'more' } | { is: 'wrong' } | { is: 'found'; value: Value; length: number }

/**
 * Reads the first bytes of a socket that nobody else reads yet, until `look` has found what it wants. The bytes
 * behind the found `length` are put back. Resolves with null when `look` calls them wrong, wants more than
 * `bytesMax`, or the socket ends first. Has no time limit of its own: destroying the socket is one.
 */
export function readFirstBytes<Value>(
  socket: Socket,
  bytesMax: number,
  look: (bytes: Buffer) => Found<Value>,
): Promise<Value | null> {
  return new Promise((resolve) => {
    let bytes: Buffer = Buffer.alloc(0)
    const finish = (value: Value | null) => {
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd)
      resolve(value)
    }
    const onEnd = () => finish(null)
    function onReadable(): void {
      for (let chunk = socket.read() as Buffer | null; chunk; chunk = socket.read() as Buffer | null)
        bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
      if (bytes.length === 0) return
      const found = look(bytes)
      if (found.is === 'found') {
        if (found.length < bytes.length) socket.unshift(bytes.subarray(found.length))
        finish(found.value)
      } else if (found.is === 'wrong' || bytes.length >= bytesMax) finish(null)
    }
    socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd)
  })
}
