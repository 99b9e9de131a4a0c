import { createLog } from '../ops/log.js'
import { createMetrics } from '../ops/metrics.js'
import type { Log } from '../ops/log.js'
import { ConfigError, readConfig } from './config.js'
import type { Config } from './config.js'
import { startService } from './service.js'
import type { Service } from './service.js'
import { SettingError } from './setting-error.js'
import { stopLimitsOf } from './stop-limits.js'
import { findUnknownVariables } from './unknown-variables.js'
import { welcome } from './welcome.js'

/** Environment → config → service → signals → exit code. */
async function main(): Promise<void> {
  const isTerminal = process.stdout.isTTY === true
  const config = readConfigOrExit(isTerminal)
  const metrics = createMetrics()
  const onSuppressed = (level: string) => metrics.logLinesSuppressed.inc({ level })
  const { log, flush, written } = createLog({ level: config.logLevel, isTerminal, onSuppressed })
  process.on('exit', flush)
  for (const unknown of findUnknownVariables(process.env))
    log.warn(unknown, 'a variable that is no setting of the broker; it changes nothing')
  // A mistake of ours: nothing may go on as if it had not happened. The container starts us again.
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception')
    process.exit(70)
  })

  // Before the start, which may take long: as the first process of a container we would not hear them at all.
  const starting = startService(config, log, metrics)
  stopOnSignals(starting, config.drainMs, log, written)
  process.on(
    'SIGHUP',
    () =>
      void starting.then(
        (service) => service.reload(),
        () => {},
      ),
  )
  const service = await starting.catch(async (error: Error) => {
    if (error instanceof SettingError) log.fatal(error.message)
    else log.fatal({ err: error }, 'the broker could not start')
    await written()
    process.exit(error instanceof SettingError ? 1 : 70)
  })
  const store = config.redisUrl === undefined ? 'embedded' : 'redis'
  log.info({ ...service.ports, store, apps: service.apps.appIds().length }, 'ready')
  if (isTerminal) process.stdout.write(welcome(service, config))
}

function stopOnSignals(
  starting: Promise<Service>,
  drainMs: number,
  log: Log,
  written: () => Promise<unknown>,
): void {
  let isStopping = false
  const stop = async (signal: string) => {
    if (isStopping) return
    isStopping = true
    log.info({ signal }, 'stopping')
    const limit = setTimeout(() => {
      log.error('not everything could be closed in time')
      process.exit(1)
    }, stopLimitsOf(drainMs).wholeMs)
    const service = await starting.catch(() => null)
    if (!service) return // the failed start ends the process itself
    await service.stop()
    clearTimeout(limit)
    log.info('stopped')
    await written()
    process.exit(0)
  }
  process.on('SIGTERM', () => void stop('SIGTERM'))
  process.on('SIGINT', () => void stop('SIGINT'))
}

function readConfigOrExit(isTerminal: boolean): Config {
  try {
    return readConfig(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const { log, flush } = createLog({ level: 'info', isTerminal })
    log.fatal({ problems: error.problems }, error.message)
    flush()
    process.exit(1)
  }
}

void main()
