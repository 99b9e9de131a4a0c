/** Lets everybody publish, or nobody, and knows what is under way. */
export interface Load {
  /** Publishes as soon as publishing is allowed; under way until it is answered or its connection ends. */
  run<Result>(publish: () => Promise<Result>): Promise<Result>
  /** Resolves when nothing is under way any more. @throws when something stays unanswered. */
  pause(limitMs: number): Promise<void>
  resume(): void
}

/** Begins paused. */
export function createLoad(): Load {
  let isPaused = true
  let underWay = 0
  let open = () => {}
  let mayPublish = new Promise<void>((resolve) => (open = resolve))
  let wake = () => {}

  return {
    async run(publish) {
      // oxlint-disable-next-line no-unmodified-loop-condition -- pause() and resume() below change it
      while (isPaused) await mayPublish
      underWay++
      try {
        return await publish()
      } finally {
        underWay--
        if (underWay === 0) wake()
      }
    },
    async pause(limitMs) {
      if (!isPaused) mayPublish = new Promise((resolve) => (open = resolve))
      isPaused = true
      if (underWay === 0) return
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve, reject) => {
        wake = resolve
        const text = () => `${underWay} publications are not answered, on connections that stay open`
        timer = setTimeout(() => reject(new Error(text())), limitMs)
      })
      clearTimeout(timer)
    },
    resume() {
      isPaused = false
      open()
    },
  }
}
