import type { EventEmitter } from 'node:events'

/** Emits an app id when that app's event log has grown. */
export type EventBell = EventEmitter

/** `rung` resolves when the app's log may have grown, after the limit, or when it is cancelled. Armed at once. */
export function nextRing(
  bell: EventBell,
  appId: string,
  limitMs: number,
): { rung: Promise<void>; cancel: () => void } {
  let cancel = () => {}
  const rung = new Promise<void>((resolve) => {
    const timer = setTimeout(() => cancel(), limitMs)
    cancel = () => {
      clearTimeout(timer)
      bell.off(appId, cancel)
      resolve()
    }
    bell.on(appId, cancel)
  })
  return { rung, cancel }
}
