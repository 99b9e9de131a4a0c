import type { EventLog } from '../store/store.js'
import { addGap, compareLogIds } from '../store/webhooks.js'
import type { WebhookGap, WebhookState } from '../store/webhooks.js'
import { findGap, findLoss } from './read-log.js'

/** What this node knows of a web hook's place, whatever the store says; `at` is when (ISO 8601). */
export interface Memory {
  state: WebhookState
  at: string
}

/**
 * Where a run begins: where the store says, or where this node remembers when the store has forgotten it. `loss` is what
 * may be missing when the log is not the one that this node knew, and nobody has noted that since.
 */
export async function findBeginning(options: {
  appId: string
  known: WebhookState | null
  memory: Memory | null
  events: EventLog
}): Promise<{ first: WebhookState; loss: WebhookGap | null }> {
  const { appId, known, memory, events } = options
  if (!memory)
    return { first: known ?? { position: await events.readEnd(appId), held: {}, gaps: [] }, loss: null }
  const { state, at } = memory
  const isTold = known?.gaps.some((gap) => gap.at >= at)
  const find = async () => {
    const loss = await findLoss(events, appId, state.position, new Date())
    return loss ?? (known ? null : findGap(events, appId, state.position, new Date()))
  }
  const loss = isTold ? null : await find()
  const first = known ?? state
  if (!loss) return { first, loss }
  const gaps = addGap(first.gaps, loss)
  // A store that came back as it was earlier knows a place in the log that came back with it.
  if (known && compareLogIds(known.position, await events.readEnd(appId)) <= 0)
    return { first: { ...known, gaps }, loss }
  return { first: { ...first, position: '0', held: {}, gaps }, loss }
}
