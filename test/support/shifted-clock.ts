/**
 * Loaded with --import into a broker whose clock is to jump: the wall clock is off by the milliseconds in the file
 * that CLOCK_OFFSET_FILE names, read each time. The monotonic clock and timers are as they were.
 */
import { readFileSync } from 'node:fs'

const file = process.env.CLOCK_OFFSET_FILE as string
const RealDate = Date

function now(): number {
  return RealDate.now() + Number(readFileSync(file, 'utf8'))
}

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: [], newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as object,
  apply: () => new RealDate(now()).toString(),
  get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
})
