import { compareLogIds } from '../webhooks.js'

/**
 * The highest id that was read of each event log. Redis makes ids by its clock, and one that takes over may be without the
 * newest entries and behind in its clock: ids that it made would stand below places that readers have reached, and hide
 * what they name. Whoever writes asks for an id above.
 */
export interface LogIds {
  /** An id that Redis itself has told; what a client says does not count. */
  note(stream: string, id: string): void
  /** '' when none is known. */
  highest(stream: string): string
}

export function createLogIds(): LogIds {
  const highest = new Map<string, string>()
  return {
    note(stream, id) {
      const before = highest.get(stream)
      if (before === undefined || compareLogIds(id, before) > 0) highest.set(stream, id)
    },
    highest: (stream) => highest.get(stream) ?? '',
  }
}
