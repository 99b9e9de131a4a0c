/**
 * Gathers what one turn of the event loop brings for an app and gives it to `write` in one go, in the order of the calls.
 * Everything in a batch has the same promise, which ends as its write does.
 */
export function createTurnBatches<Item>(options: {
  itemsMax: number
  write: (appId: string, items: Item[]) => Promise<unknown>
}): (appId: string, item: Item) => Promise<void> {
  const { itemsMax, write } = options
  const open = new Map<string, Batch<Item>>()

  function begin(appId: string): Batch<Item> {
    const items: Item[] = []
    const batch: Batch<Item> = { items, written: endOfTurn().then(writeBatch) }
    open.set(appId, batch)
    return batch

    async function writeBatch(): Promise<void> {
      if (open.get(appId) === batch) open.delete(appId)
      await write(appId, items)
    }
  }

  return (appId, item) => {
    const current = open.get(appId)
    const batch = current && current.items.length < itemsMax ? current : begin(appId)
    batch.items.push(item)
    return batch.written
  }
}

interface Batch<Item> {
  items: Item[]
  written: Promise<void>
}

function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
