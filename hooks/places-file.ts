import { readFileSync } from 'node:fs'
import type { Log } from '../ops/log.js'
import { writeWhole } from '../ops/write-whole.js'
import type { WebhookName } from '../store/webhooks.js'

/** How far in the log this node knew a web hook to be, and when (ISO 8601). */
export interface KnownPlace {
  position: string
  at: string
}

/** What a node of the broker still knows of its web hooks when it starts and Redis has forgotten them. */
export interface KnownPlaces {
  load(name: WebhookName): KnownPlace | null
  /** Written a moment later. */
  save(name: WebhookName, place: KnownPlace): void
  /** Resolves when what was saved is written, or could not be. */
  stop(): Promise<void>
}

/** In a file of this machine. That it is a second old costs nothing: with a lost log everything that is there now is new. */
export function createPlacesFile({ file, log }: { file: string; log: Log }): KnownPlaces {
  const kept = read(file)
  let timer: NodeJS.Timeout | undefined
  let writing = Promise.resolve()
  const keyOf = ({ appId, webhookId }: WebhookName) => `${appId}:${webhookId}`

  async function write(): Promise<void> {
    try {
      await writeWhole(file, JSON.stringify(Object.fromEntries(kept)))
    } catch (error) {
      log.warn({ file, reason: (error as Error).message }, 'places of web hooks could not be written to disk')
    }
  }

  function flush(): Promise<void> {
    if (timer === undefined) return writing
    clearTimeout(timer)
    timer = undefined
    return (writing = writing.then(write))
  }

  return {
    load: (name) => kept.get(keyOf(name)) ?? null,
    save(name, place) {
      if (kept.get(keyOf(name))?.position === place.position) return
      kept.set(keyOf(name), place)
      timer ??= setTimeout(() => void flush(), WRITE_MS)
    },
    stop: flush,
  }
}

/** Nothing where there is no such file, or none that can be read: it is only a help. */
function read(file: string): Map<string, KnownPlace> {
  try {
    return new Map(Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, KnownPlace>))
  } catch {
    return new Map()
  }
}

const WRITE_MS = 1_000
