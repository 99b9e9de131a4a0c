import { readFileSync, unwatchFile, watchFile } from 'node:fs'
import { LOG_LEVELS } from '../ops/log-levels.js'
import type { Log } from '../ops/log.js'

/**
 * The environment of a process cannot change, a file can: the level that LOG_LEVEL_FILE holds is taken when the file
 * changes and on `reload`. Anything that is no level leaves the level as it is and says so in the log.
 */
export function watchLogLevel(file: string | undefined, log: Log): { reload(): void; stop(): void } {
  if (file === undefined) return { reload() {}, stop() {} }
  const reload = () => {
    const level = readLevel(file)
    if (typeof level !== 'string')
      return log.error({ file, ...level }, 'LOG_LEVEL_FILE cannot be used; the level stays')
    if (level === log.level) return
    const about = { from: log.level, to: level }
    // Said by whichever of the two levels lets it through, if one does.
    const isHeard = log.isLevelEnabled('info')
    if (isHeard) log.info(about, 'log level changes')
    log.level = level
    if (!isHeard) log.info(about, 'log level changes')
  }
  watchFile(file, { interval: POLL_MS, persistent: false }, reload)
  return { reload, stop: () => unwatchFile(file, reload) }
}

function readLevel(file: string): string | { reason: string } {
  try {
    const text = readFileSync(file, 'utf8').trim()
    return LOG_LEVELS.find((level) => level === text) ?? { reason: `is none of ${LOG_LEVELS.join(', ')}` }
  } catch (error) {
    return { reason: (error as NodeJS.ErrnoException).code ?? 'cannot be read' }
  }
}

const POLL_MS = 500
