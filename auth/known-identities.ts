/** Identities that have logged in from an address before, the latest `max` of them. */
export function createKnownIdentities(max: number) {
  const known = new Set<string>()
  return {
    has: (identity: string) => known.has(identity),
    add(identity: string): void {
      known.delete(identity) // to the end: who comes back often is forgotten last
      known.add(identity)
      if (known.size > max) known.delete(known.values().next().value as string)
    },
  }
}
