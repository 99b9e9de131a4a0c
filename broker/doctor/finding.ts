/** What one look has found. A fault is something that keeps phones out, or would lose what was acknowledged. */
export interface Finding {
  /** What was looked at: a listener's name, or `settings`, `redis`, `data`, `clock`, `drill` … */
  check: string
  is: 'ok' | 'warning' | 'fault'
  says: string
}

/** Ends a look early; its message is the finding. */
export class Fault extends Error {}

/** Runs a look; a Fault becomes its finding, and so does what nobody foresaw. */
export async function look(check: string, run: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await run()
  } catch (error) {
    return [{ check, is: 'fault', says: (error as Error).message }]
  }
}

/** What a failed connection means, and what to look at. */
export function explainConnection(error: NodeJS.ErrnoException, host: string, port: number): string {
  const where = `${host}:${port}`
  switch (error.code) {
    case 'ECONNREFUSED':
      return `nothing listens on ${where}: is the broker running, and on this port?`
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `${where} cannot be reached (${error.code}): a firewall, or the wrong address`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name ${host} cannot be resolved (${error.code})`
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'EPROTO':
      return `${where} does not speak TLS: is it the port without, or does something in front end TLS?`
    case 'ECONNRESET':
    case 'EPIPE':
      return `${where} closed the connection at once`
    default:
      return `${where}: ${error.code ?? error.message}`
  }
}

/** @throws Fault with the sentence when it takes longer. */
export async function inTime<Result>(work: Promise<Result>, says: string): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Fault(`${says} within ${LIMIT_MS / 1_000} s`)), LIMIT_MS)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}

/** Longer than any phone waits, so that a busy machine is told from a broken one. */
const LIMIT_MS = 15_000
