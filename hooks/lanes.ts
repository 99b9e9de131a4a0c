import type { LifecycleEvent } from '../store/store.js'
import { placeBefore } from '../store/webhooks.js'
import type { WebhookState } from '../store/webhooks.js'

/** An entry of the event log on its way to the receiver. */
export interface Item {
  logId: string
  incidentId: string
  /** Null when it is to be read again: only what is next is kept in memory. */
  event: LifecycleEvent | null
  isDone: boolean
  /** It was in a log that is lost: its id says nothing about a place in the log that is there now. */
  isLost?: boolean
}

/** The events of one incident that are still to be delivered, one after the other. */
export interface Lane {
  incidentId: string
  items: Item[]
  /** Of the first item. */
  attempts: number
  /** Since when the incident is left behind, because its delivery failed; null: it is not. */
  heldSince: string | null
}

/**
 * Keeps the order within each incident, and knows from where a restart has to go on. An incident that fails is held:
 * the position moves on past its events, and it has a place of its own.
 */
export function createLanes(start: string) {
  const lanes = new Map<string, Lane>()
  /** What was read behind the position, in the order of the log. */
  const ahead: Item[] = []
  let position = start

  /** Moves the position over what is done or held. */
  function settle(): void {
    for (let first = ahead[0]; first; first = ahead[0]) {
      if (!first.isDone && lanes.get(first.incidentId)?.heldSince == null) return
      position = first.logId
      ahead.shift()
    }
  }

  function laneOf(incidentId: string): Lane {
    let lane = lanes.get(incidentId)
    if (!lane) {
      lane = { incidentId, items: [], attempts: 0, heldSince: null }
      lanes.set(incidentId, lane)
    }
    return lane
  }

  return {
    /** How many entries behind the position are under way. */
    get ahead() {
      return ahead.length
    },
    get heldCount() {
      let count = 0
      for (const { heldSince } of lanes.values()) if (heldSince !== null) count++
      return count
    },
    /** The earliest moment since when an incident is held. */
    get oldestHeld(): string | null {
      const all = [...lanes.values()].flatMap(({ heldSince }) => heldSince ?? [])
      return all.toSorted()[0] ?? null
    },
    all: () => [...lanes.values()],
    /** Takes the next entry of the log. The lane when it is the first of its incident, else null. */
    add(item: Item): Lane | null {
      const lane = laneOf(item.incidentId)
      const isFirst = lane.items.length === 0
      lane.items.push(isFirst ? item : { ...item, event: null })
      ahead.push(lane.items.at(-1) as Item)
      settle()
      return isFirst ? lane : null
    },
    /** Takes back an entry before the position, of an incident that was held when somebody stopped. */
    addHeld(item: Item, since: string): void {
      const lane = laneOf(item.incidentId)
      lane.heldSince = since
      lane.items.push({ ...item, event: null })
    },
    /** The log is another one, read from `start`. What is in memory of the one before is still delivered. */
    restart(start: string): void {
      for (const { items } of lanes.values()) for (const item of items) item.isLost = true
      ahead.length = 0
      position = start
    },
    hold(lane: Lane, since: string): void {
      lane.heldSince ??= since
      settle()
    },
    /** The first event of the lane is dealt with. True when there are more. */
    finish(lane: Lane): boolean {
      const item = lane.items.shift()
      if (item) item.isDone = true
      lane.attempts = 0
      if (lane.items.length === 0) lanes.delete(lane.incidentId)
      settle()
      return lane.items.length > 0
    },
    /** From where a restart goes on. */
    snapshot(): Pick<WebhookState, 'position' | 'held'> {
      const held: WebhookState['held'] = {}
      for (const { incidentId, heldSince, items } of lanes.values()) {
        const first = items.find(({ isLost }) => !isLost)
        if (heldSince !== null && first)
          held[incidentId] = { after: placeBefore(first.logId), since: heldSince }
      }
      return { position, held }
    },
  }
}

export type Lanes = ReturnType<typeof createLanes>
