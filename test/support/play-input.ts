import { connect } from 'node:net'

/** How a connection went. */
export interface Outcome {
  localPort: number | undefined
  /** The first bytes that came back. */
  answer: Buffer
  /** The broker did not let the connection go although the client had ended its side. */
  isHeld: boolean
}

/**
 * Sends an input, ends the client's side and waits until the broker has closed the connection. `heldAfterMs`
 * later, and once `isServed` has resolved, which shows that the broker had its turns since, it is given up.
 * The pieces are given to the kernel in turns of their own, so that they mostly come as they were cut.
 */
export async function playInput(
  port: number,
  pieces: Buffer[],
  {
    from = '127.0.0.1',
    heldAfterMs,
    isServed = () => Promise.resolve(),
    onPort,
  }: {
    from?: string
    heldAfterMs: number
    isServed?: () => Promise<unknown>
    onPort?: (localPort: number) => void
  },
): Promise<Outcome> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from }).setNoDelay(true)
  const chunks: Buffer[] = []
  let size = 0
  socket.on('error', () => {}) // a reset is a way to close
  socket.on('data', (chunk: Buffer) => {
    if (size < 4_096) chunks.push(chunk)
    size += chunk.length
  })
  socket.on('end', () => socket.end())
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
  const { localPort } = socket
  if (localPort !== undefined) onPort?.(localPort)
  for (const piece of pieces) {
    if (socket.destroyed) break
    socket.write(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  socket.end()
  let isHeld = false
  const giveUp = () => {
    isHeld = !socket.closed
    socket.destroy()
  }
  const timer = setTimeout(() => void isServed().then(giveUp, giveUp), heldAfterMs)
  await closed
  clearTimeout(timer)
  return { localPort, answer: Buffer.concat(chunks).subarray(0, 4_096), isHeld }
}
