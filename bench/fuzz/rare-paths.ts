/** Tells which inputs reach something that none reached before, by what the broker logs and answers. */
export interface RarePaths {
  /** What a log line says happened, whoever sent it; null for lines that say nothing new. */
  ofLine(line: Record<string, unknown>): string | null
  /** What the first bytes of the answer say. */
  ofAnswer(port: 'mqtt' | 'http', answer: Buffer): string | null
}

/** `known`: what the corpus has reached. */
export function createRarePaths(known: Iterable<string>): RarePaths {
  const reached = new Set(known)
  const onlyNew = (path: string) => {
    if (reached.has(path)) return null
    reached.add(path)
    return path
  }
  return {
    ofLine({ msg, clause, why }) {
      if (typeof msg !== 'string' || (clause === undefined && why === undefined)) return null
      return onlyNew(`${msg}: ${String(clause ?? why)}`)
    },
    ofAnswer(port, answer) {
      if (port === 'http') {
        const status = /^HTTP\/1\.1 (\d+)/.exec(answer.toString('latin1'))?.[1]
        const code = /"code":"([a-z_]+)"/.exec(answer.toString('latin1'))?.[1]
        return status === undefined ? null : onlyNew(`HTTP ${status}${code === undefined ? '' : ` ${code}`}`)
      }
      // CONNACK and DISCONNECT by their code, wherever the last one stands.
      if (answer[0] === 0x20 && answer[3] !== 0) return onlyNew(`CONNACK 0x${answer[3]?.toString(16)}`)
      const at = answer.lastIndexOf(0xe0)
      if (at < 0 || at + 3 > answer.length || at + 2 + (answer[at + 1] ?? 0) !== answer.length) return null
      return onlyNew(`DISCONNECT 0x${answer[at + 2]?.toString(16)}`)
    },
  }
}
