import type { PinnedProgram } from '../processes.js'
import type { Identity } from '../load/packets.js'
import type { Transport } from '../load/wire.js'

export interface Cores {
  server: string
  /** Of a second node. */
  second: string
  load: string
  redis: string
}

/** What every contender is started with. */
export interface Bench {
  /** An empty directory of its own for each start. */
  directory: string
  cores: Cores
  /** Of the load's users; a contender with a list of them has to know it before. */
  users: number
  /** Further arguments of Node for the contender's own processes, to profile them. */
  nodeArguments: string[]
}

export type ContenderName = 'embedded' | 'redis' | 'aedes' | 'pipeline' | 'mosquitto'

export interface Contender {
  name: ContenderName
  title: string
  /** Whether it stores telemetry and SOS, and tells of an SOS by an event. */
  isDurable: boolean
  transports: Transport[]
  start(bench: Bench): Promise<Running>
}

export interface Running {
  /** From the start of its server to the moment at which it takes connections, without Redis. */
  startUpMs: number
  ports: Partial<Record<Transport, number>>
  identity(i: number): Identity
  /** Every process on the server's side. */
  programs(): PinnedProgram[]
  /** The one that holds the connections. */
  broker(): PinnedProgram
  /** Where it keeps telemetry; absent when it keeps none. */
  store?: Store
  /** Ends the broker by SIGTERM and starts it again on its ports. Resolves when it takes connections. */
  restart(): Promise<void>
  /** Ends everything; what is stored can still be read from `store.read`. */
  stop(): Promise<void>
}

export interface Store {
  /** Telemetry messages stored so far; absent where nobody can look while the broker runs. */
  count?: () => Promise<number>
  /** A stream of Redis in which every stored SOS turns up. */
  watch?: { socket: string; stream: string }
  /** Every telemetry record of this run: whose it is, and its number. Called after `close` of the broker. */
  read(run: string): AsyncIterable<{ user: string; n: number }>
}

/** Of all contenders' users: `walker-<i>`. */
export const userOf = (i: number) => `walker-${i}`

export function topicsOf(user: string): Pick<Identity, 'telemetryTopic' | 'sosTopic' | 'eventFilter'> {
  return {
    telemetryTopic: `tel/${user}/data`,
    sosTopic: `sos/alerts/${user}`,
    eventFilter: `sos/events/${user}`,
  }
}
