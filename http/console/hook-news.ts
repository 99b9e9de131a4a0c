import type { HookRow } from './wire.js'

/**
 * Whether what is told about an app's web hooks says something new about who got the events of one incident, so that
 * its story is worth reading again. Of the many other incidents that a web hook delivers meanwhile nothing counts.
 * Imports no code: the page's own build reads it too.
 */
export function tellsOf(
  incident: { id: string; updatedAt: string },
  before: readonly HookRow[] | undefined,
  now: readonly HookRow[],
): boolean {
  if (!before || before.length !== now.length) return true
  return now.some((hook) => {
    const known = before.find(({ id }) => id === hook.id)
    if (!known) return true
    const wasSentAgain = hook.deadLetters < known.deadLetters
    return wasSentAgain || placeOf(known, incident) !== placeOf(hook, incident)
  })
}

/** How far the web hook is with this incident: before an event that fails, still behind, or done with it. */
function placeOf({ held, waitingSince }: HookRow, { id, updatedAt }: { id: string; updatedAt: string }) {
  const own = held.find(({ incidentId }) => incidentId === id)
  if (own) return `held behind ${own.after}`
  return waitingSince !== null && waitingSince <= updatedAt ? 'waits' : 'done'
}
