/**
 * Waits at most `limitMs` for `work`, which goes on unobserved.
 *
 * @throws what `work` throws, or TimeLimitPassed.
 */
export async function within<Result>(limitMs: number, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new TimeLimitPassed(limitMs)), limitMs)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
    work.catch(() => {}) // nobody waits for it any more
  }
}

export class TimeLimitPassed extends Error {
  constructor(limitMs: number) {
    super(`no answer within ${limitMs} ms`)
  }
}
