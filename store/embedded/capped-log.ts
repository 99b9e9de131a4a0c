import type { RootDatabase } from 'lmdb'

/** A log per app that keeps its newest entries, numbered upwards without end. */
export interface CappedLog<Entry> {
  /** Joins the transaction it is called in; outside of one the promise says when the entry is durable. */
  append(appId: string, entry: Entry): Promise<unknown>
  /** Newest first. */
  readLatest(appId: string, limit: number): Entry[]
  /** Behind the entry with this number, oldest first. */
  readAfter(appId: string, after: number, limit: number): { number: number; entry: Entry }[]
  /** 0 when there was never one. */
  lastNumber(appId: string): number
  count(appId: string): number
  removeWhere(appId: string, isUnwanted: (entry: Entry) => boolean): Promise<void>
}

export function openCappedLog<Entry>(root: RootDatabase, name: string, entriesMax: number): CappedLog<Entry> {
  const entries = root.openDB<Entry, [string, number]>({ name, encoding: 'json' })
  const bounds = new Map<string, { first: number; next: number }>()

  function boundsOf(appId: string) {
    let found = bounds.get(appId)
    if (!found) {
      const [first] = entries.getKeys({ start: [appId, 0], end: [appId, Infinity], limit: 1 })
      const [last] = entries.getKeys({ start: [appId, Infinity], end: [appId, 0], reverse: true, limit: 1 })
      found = { first: first?.[1] ?? 1, next: (last?.[1] ?? 0) + 1 }
      bounds.set(appId, found)
    }
    return found
  }

  return {
    append(appId, entry) {
      const range = boundsOf(appId)
      const writes = [entries.put([appId, range.next++], entry)]
      while (range.next - range.first > entriesMax) writes.push(entries.remove([appId, range.first++]))
      return Promise.all(writes)
    },
    readLatest(appId, limit) {
      const range = { start: [appId, Infinity] as [string, number], end: [appId, 0] as [string, number] }
      return [...entries.getRange({ ...range, reverse: true, limit })].map(({ value }) => value)
    },
    readAfter(appId, after, limit) {
      const range = {
        start: [appId, after + 1] as [string, number],
        end: [appId, Infinity] as [string, number],
      }
      return [...entries.getRange({ ...range, limit })].map(({ key, value }) => ({
        number: key[1],
        entry: value,
      }))
    },
    lastNumber(appId) {
      // From what is committed: after a crash a number that is not is given again.
      const range = { start: [appId, Infinity] as [string, number], end: [appId, 0] as [string, number] }
      const [last] = entries.getKeys({ ...range, reverse: true, limit: 1 })
      return last?.[1] ?? 0
    },
    count: (appId) => entries.getKeysCount({ start: [appId, 0], end: [appId, Infinity] }),
    async removeWhere(appId, isUnwanted) {
      const range = { start: [appId, 0] as [string, number], end: [appId, Infinity] as [string, number] }
      const unwanted = [...entries.getRange(range)].filter(({ value }) => isUnwanted(value))
      await Promise.all(unwanted.map(({ key }) => entries.remove(key)))
      bounds.delete(appId) // the oldest may have been among them
    },
  }
}
