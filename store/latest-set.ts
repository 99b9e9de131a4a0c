/** What was added last, at most `max` of it. What is added again counts as new. */
export function createLatestSet<Item>(max: number) {
  const items = new Set<Item>()
  return {
    has: (item: Item) => items.has(item),
    add(item: Item): void {
      items.delete(item)
      items.add(item)
      if (items.size > max) items.delete(items.values().next().value as Item)
    },
  }
}
