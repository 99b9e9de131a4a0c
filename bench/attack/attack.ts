import type { Target } from './target.js'

/** One figure of one attack. */
export interface Result {
  measured: string
  value: number
  limit: number
  unit: string
}

/** An attack is bounded in count and time, stays on loopback, and tells what it cost the broker. */
export interface Attack {
  name: string
  /** Settings of the broker besides the defaults. */
  env?: NodeJS.ProcessEnv
  run(target: Target): Promise<Result[]>
}
