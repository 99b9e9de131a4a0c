import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { operatorList } from '../auth/operators.js'
import { LOG_LEVELS } from '../ops/log-levels.js'
import { addressOf } from '../store/redis/address.js'
import { isNetwork } from './door/networks.js'
import { findPortConflicts } from './port-conflicts.js'

/** A port to listen on; 0 = any free one, null = none. */
export type Port = number | null

export type Config = Readonly<ReturnType<typeof assemble>>

/**
 * Reads the whole environment once. `NAME_FILE` names a file that holds the value of NAME, for secrets.
 *
 * @throws ConfigError that names every variable that is wrong and what is wrong with it, never its value.
 */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const { values, problems } = readSettings(environment)
  if (problems.length > 0) throw new ConfigError(problems)
  return Object.freeze(assemble(values as Values, environment.LOG_LEVEL_FILE || undefined))
}

/** Every value that can be used, and one line for each that cannot. */
export function readSettings(environment: NodeJS.ProcessEnv): {
  values: Partial<Values>
  problems: string[]
} {
  const problems: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, { schema, fallback }] of Object.entries(SETTINGS)) {
    try {
      const text = readValue(environment, name) ?? fallback
      if (text === undefined) continue
      const parsed = schema.safeParse(text)
      if (parsed.success) values[name] = parsed.data
      else problems.push(`${name}: ${parsed.error.issues[0]?.message}`)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      problems.push(`${name}_FILE: ${code === undefined ? message : `cannot be read (${code})`}`)
    }
  }
  problems.push(...findPortConflicts(values))
  if ((values.TLS_CERT_FILE === undefined) !== (values.TLS_KEY_FILE === undefined)) {
    problems.push('TLS_CERT_FILE and TLS_KEY_FILE: set both or neither')
  }
  return { values: values as Partial<Values>, problems }
}

/** A setting that cannot be used; one line that says which and why. */
export class ConfigError extends Error {
  constructor(readonly problems: string[]) {
    super(problems.join('; '))
  }
}

interface Setting {
  schema: z.ZodType
  fallback?: string
  about: string
}

const setting = <Schema extends z.ZodType>(schema: Schema, fallback: string | undefined, about: string) => ({
  schema,
  about,
  ...(fallback === undefined ? {} : { fallback }),
})

const port = z
  .string()
  .regex(/^(off|\d{1,5})$/, 'is a port number, 0 for any free one, or off')
  .transform((text) => (text === 'off' ? null : Number(text)))
  .refine((value) => value === null || value <= 65_535, 'is a port number up to 65535')

const whole = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,12}$/, 'is a whole number')
    .transform(Number)
    .refine((value) => value >= least && value <= most, `is from ${least} to ${most}`)

const redisUrl = z.string().refine((url) => {
  try {
    return addressOf(url) !== null
  } catch {
    return false
  }
}, 'is redis://, rediss://, redis+sentinel://, redis+cluster:// or the path of a unix socket')

const list = z.string().transform((text) => text.split(/[\s,]+/).filter((entry) => entry !== ''))

const origins = list.refine(
  (all) => all.every((origin) => /^https?:\/\/[^/]+$/.test(origin)),
  'is a list of origins such as https://app.example',
)

/** Every variable: what it takes, what it is without one, what it is for and why. docs/configuration.md is made from this. */
export const SETTINGS = {
  HOST: setting(z.string().min(1), '0.0.0.0', 'Address that MQTT, WebSocket and HTTP listen on.'),
  MQTT_PORT: setting(port, '1883', 'MQTT over TCP. `0` is any free port, `off` is none; so for every port.'),
  MQTTS_PORT: setting(port, '8883', 'MQTT over TLS.'),
  HTTP_PORT: setting(port, '8080', 'HTTP, and WebSocket on `/mqtt` and `/ws`.'),
  HTTPS_PORT: setting(port, '8443', 'HTTPS, and secure WebSocket on `/mqtt` and `/ws`.'),
  ADMIN_HOST: setting(
    z.string().min(1),
    '127.0.0.1',
    'Address of the admin port. It has no login: keep it away from the internet.',
  ),
  ADMIN_PORT: setting(port, '9090', '`/metrics`, `/healthz`, `/readyz`.'),
  TLS_CERT_FILE: setting(
    z.string().min(1),
    undefined,
    'Certificate chain, PEM. Without one a self-signed pair is made in `DATA_DIR`, with a warning: clients in the field will not trust it. Read again with its key when either changes and on SIGHUP.',
  ),
  TLS_KEY_FILE: setting(z.string().min(1), undefined, 'Its private key, PEM.'),
  APPS_FILE: setting(
    z.string().min(1),
    undefined,
    'Apps and their secrets, `DATA_DIR/apps.json` by default; made with a demo app when absent. Read again when it changes and on SIGHUP.',
  ),
  DATA_DIR: setting(
    z.string().min(1),
    './data',
    'Where the broker keeps what it makes: the embedded store, the journal, the gateways it knew last, the demo app, the self-signed certificate. Each node has its own.',
  ),
  REDIS_URL: setting(
    redisUrl,
    undefined,
    '`redis://`, `rediss://` (TLS), `redis+sentinel://host,host/master`, `redis+cluster://host,host`, or the path of a unix socket. Without it the embedded store is used: one node, one disk.',
  ),
  STORE_TIMEOUT_MS: setting(
    whole(50, 2_000),
    '500',
    'How long an SOS waits for Redis before it goes to the journal, in milliseconds. A healthy Redis answers in a few; a phone shows an error after seconds, and a client that is sent away has three for its answers.',
  ),
  JOURNAL_TELEMETRY_BYTES_MAX: setting(
    whole(65_536, 1_000_000_000_000),
    '268435456',
    'Telemetry that the journal holds while Redis is away, in bytes; beyond it the oldest goes, counted. About 700,000 positions: half a minute of the fastest node, hours of a usual one. An SOS always fits.',
  ),
  DRAIN_SECONDS: setting(
    whole(0, 300),
    '4',
    'How long more than a hundred sessions take to leave after SIGTERM, in waves, so that the other nodes are not met by all at once. The last to go may need 5 s for its answers: so the broker has stopped within 10 s, before a container engine kills it. Give that 6 s more than this. `0`: all at once.',
  ),
  LOG_LEVEL: setting(
    z.enum(LOG_LEVELS, `is one of ${LOG_LEVELS.join(', ')}`),
    'info',
    'Least important level that is logged. From `LOG_LEVEL_FILE` it is read again when that file changes and on SIGHUP.',
  ),
  TELEMETRY_RATE: setting(
    whole(1, 1_000_000),
    '20',
    'Telemetry messages a second of one connection, on average. A phone sends one every few seconds; what comes faster is read more slowly, never dropped. A message counts once for every 4 KiB it has, so by default a connection brings 80 KiB a second.',
  ),
  TELEMETRY_BURST: setting(
    whole(1, 1_000_000),
    '100',
    'Telemetry messages that may come at once: what a phone gathered in a tunnel.',
  ),
  SESSIONS_PER_USER: setting(
    whole(1, 1_000),
    '4',
    'Sessions one user may have at a time; the oldest goes. A phone, its reconnect, a tablet and a test. `1` is the take-over of plain brokers.',
  ),
  SESSIONS_PER_GATEWAY: setting(
    whole(1, 1_000),
    '8',
    'Sessions one mesh gateway may have at a time; the oldest goes. A node, its reconnect behind a router that forgot the first, and phones that stand in for it.',
  ),
  GATEWAY_RATE: setting(
    whole(1, 1_000_000),
    '1000',
    'Publications a second of one gateway connection, on average. The air carries some 30 packets a second at most, a bridge brings those of a region, and five such reach what one core decodes. What comes faster is read more slowly; calls for help do not wait.',
  ),
  GATEWAY_BURST: setting(
    whole(1, 1_000_000),
    '2000',
    'Publications of a gateway that may come at once: the queue of a bridge after an outage.',
  ),
  GATEWAY_ADDRESS: setting(
    z
      .string()
      .regex(/^mqtts?:\/\/[^/:@\s]+(:\d{1,5})?$/, 'is mqtt://host, mqtts://host, or either with :port'),
    undefined,
    'Where nodes of a mesh reach this broker, as the settings of a new gateway are to name it: `mqtts://host`, `mqtt://host`, with `:port` where it is not 8883 or 1883. By default the host name that the request for it was sent to, and the port that is open here, TLS first.',
  ),
  SUBSCRIPTIONS_PER_SESSION: setting(
    whole(1, 1_000),
    '20',
    'Topic filters of one session. The SDK has at most four, a gateway two for each of eight channels and one more.',
  ),
  PACKET_BYTES_MAX: setting(
    whole(1_024, 16_777_216),
    '65536',
    'Largest packet after CONNECT. An SOS with every field is below 4 KiB.',
  ),
  CONNECT_BYTES_MAX: setting(
    whole(512, 1_048_576),
    '4096',
    'Largest CONNECT. Identifier, username and hash need below 1 KiB, and nobody has logged in yet.',
  ),
  CONNECT_TIMEOUT_MS: setting(
    whole(100, 600_000),
    '5000',
    'Time from accept to a whole CONNECT, or to the end of the first HTTP headers, with the TLS handshake, in milliseconds. A bad mobile network needs about two seconds.',
  ),
  BACKLOG_BYTES_MAX: setting(
    whole(16_384, 1_073_741_824),
    '262144',
    'Bytes that may wait for a client that does not read, before its connection ends. About 500 events.',
  ),
  LOGIN_FAILURES_PER_IDENTITY: setting(
    whole(1, 1_000_000),
    '10',
    'Failed logins a minute of one identity from one address; more are refused unread. A phone with an old hash makes 15.',
  ),
  LOGIN_FAILURES_PER_ADDRESS: setting(
    whole(1, 10_000_000),
    '1000',
    'Failed logins a minute from one address (IPv6: one /64). High, because a mobile operator puts thousands of phones behind one address.',
  ),
  RELAYED_PEOPLE_PER_HOUR: setting(
    whole(1, 1_000_000),
    '10',
    'People that one user may raise an hour by relaying what their devices sent by radio. A rescue has a handful; more is somebody playing with alarms, and is raised for the sender.',
  ),
  CORS_ORIGINS: setting(
    origins,
    '',
    'Origins, divided by commas, whose pages may call the HTTP API from a browser. None by default: phones and servers need none.',
  ),
  CONSOLE: setting(
    z.enum(['on', 'off'], 'is on or off').transform((text) => text === 'on'),
    'on',
    'The live page for operators on `/console` of the HTTP and HTTPS ports. Nobody sees anything there without an app secret or a token of `CONSOLE_TOKENS`; `off` where another system shows incidents.',
  ),
  CONSOLE_TOKENS: setting(
    operatorList,
    '[]',
    'Operators of the live page who need not know an app secret: `[{"name":"night shift","token":"…","apps":["demo-app"]}]`, `"apps":["*"]` for every app. A token has at least 32 characters (`openssl rand -base64 32`); the name stands in the story of every incident. Without a token there is the app secret alone.',
  ),
  CONSOLE_TILE_URL: setting(
    z
      .string()
      .regex(/^https?:\/\/[^/'";\s]+\/\S*$/, 'is the URL of a tile with {z}, {x} and {y}')
      .refine((url) => ['{z}', '{x}', '{y}'].every((part) => url.includes(part)), 'has {z}, {x} and {y}'),
    undefined,
    "Tiles for the map of the live page, as `https://tiles.example/{z}/{x}/{y}.png`; the only other origin that the page may ask, and it then sees which places are looked at. Without it the map is a grid of coordinates with the world's outline, which needs no internet.",
  ),
  CONSOLE_TILE_ATTRIBUTION: setting(
    z.string().max(200),
    '',
    'What the map says about where its tiles are from; plain text.',
  ),
  WS_ORIGINS: setting(
    origins,
    undefined,
    'Origins, divided by commas, whose pages may open a WebSocket; by default those of `CORS_ORIGINS`. Allowed besides: no `Origin` at all, which is every phone, and the host that was asked, which some clients name.',
  ),
  PROXY_NETWORKS: setting(
    list.refine(
      (all) => all.every(isNetwork),
      'is a list of networks such as 10.0.0.0/8, never of everybody',
    ),
    '',
    'Networks of the load balancers in front, divided by commas. From there, and only from there, the client is who the PROXY protocol (1 or 2, any port) or `X-Forwarded-For` (HTTP and WebSocket) says; MQTT without such a header is closed, HTTP is refused. None by default: whoever may send such a header chooses his address.',
  ),
  WEBHOOK_NETWORKS: setting(
    list.refine(
      (all) => all.every(isNetwork),
      'is a list of networks such as 10.0.0.0/8, never of everybody',
    ),
    '',
    'Private networks, divided by commas, that web hooks may go to, also by `http:`. None by default: a URL in the apps file must not reach what only this machine can reach. Public addresses are always allowed, by `https:`.',
  ),
  WEBHOOK_TIMEOUT_MS: setting(
    whole(10, 60_000),
    '10000',
    'How long a web hook may take for its whole answer, in milliseconds. A receiver that stores the event and answers needs a second; above ten nobody knows any more whether it took it.',
  ),
  WEBHOOK_RETRY_MS: setting(
    whole(1, 60_000),
    '1000',
    'Pause after the first failure of a web hook, in milliseconds; it doubles up to thirty times as much. With 30 s a receiver that is away is not hammered, and hears of an SOS soon after it is back.',
  ),
  WEBHOOK_GIVE_UP_S: setting(
    whole(1, 2_592_000),
    '86400',
    'Age of an event in seconds from which it is tried no more and becomes a dead letter: a day, in which somebody has noticed.',
  ),
  HALF_OPEN_PER_ADDRESS: setting(
    whole(1, 1_000_000),
    '4096',
    'Connections of one address (IPv6: one /64) that have not sent a whole CONNECT or HTTP header yet. One core finishes fewer TLS logins than this in the 2 s until a refused phone comes again, so even 10,000 phones behind one address of a mobile operator get in as fast as they can be served.',
  ),
  HALF_OPEN_MAX: setting(
    whole(1, 10_000_000),
    '16384',
    'The same of all addresses. More than 10,000 phones that come back at once after a restart; each costs up to 60 KiB while its TLS handshake lasts.',
  ),
  CONNECTIONS_PER_ADDRESS: setting(
    whole(1, 10_000_000),
    '20000',
    'Open connections of one address. An address of a mobile operator has a few thousand subscribers, and 64,000 ports towards us.',
  ),
  CONNECTION_RATE_PER_ADDRESS: setting(
    whole(1, 1_000_000),
    '5000',
    'New connections a second of one address; twice as many at once, which is 10,000 phones that come back within two seconds after a restart, all behind one address.',
  ),
  CONNECTION_RATE_MAX: setting(
    whole(1, 10_000_000),
    '10000',
    'New connections a second of all addresses; twice as many at once. One core accepts about as many if it does nothing else.',
  ),
  LOOP_LAG_MAX_MS: setting(
    whole(1, 600_000),
    '500',
    'Lateness of the event loop above which an address with 16 unfinished connections gets no more, and above twice of which nobody does. An SOS under way waits as long for its PUBACK; a refused phone comes again after 2 s.',
  ),
  LIMIT_LOOPBACK: setting(
    z.enum(['true', 'false'], 'is true or false').transform((text) => text === 'true'),
    'false',
    'Whether limits by address also count loopback addresses; for tests.',
  ),
  TELEMETRY_PER_APP: setting(
    whole(100, 100_000_000),
    '100000',
    'Telemetry messages kept per app; the oldest go. At 300 bytes each, 30 MB.',
  ),
  EVENTS_PER_APP: setting(
    whole(1_000, 100_000_000),
    '100000',
    'Lifecycle events kept per app; the oldest go. They are the story of every incident.',
  ),
  REPORT_KEYS_PER_USER: setting(
    whole(200, 10_000),
    '500',
    'Times of reports remembered per user, so that one that arrives twice counts once. A crash in the middle of a replay of the journal needs 128 of them.',
  ),
  RETENTION_DAYS: setting(
    whole(1, 36_500),
    '365',
    'Days that Redis keeps a closed incident, a last position and the times of reports. The embedded store keeps them without end: about 2 KiB an incident.',
  ),
} satisfies Record<string, Setting>

export type Values = { [Name in keyof typeof SETTINGS]: z.output<(typeof SETTINGS)[Name]['schema']> }

function assemble(values: Values, logLevelFile: string | undefined) {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = values
  return {
    host: values.HOST,
    ports: {
      mqtt: values.MQTT_PORT,
      mqtts: values.MQTTS_PORT,
      http: values.HTTP_PORT,
      https: values.HTTPS_PORT,
    } as Record<'mqtt' | 'mqtts' | 'http' | 'https', Port>,
    admin: { host: values.ADMIN_HOST, port: values.ADMIN_PORT as Port },
    tls: certFile === undefined || keyFile === undefined ? null : { certFile, keyFile },
    appsFile: (values.APPS_FILE as string | undefined) ?? join(values.DATA_DIR, 'apps.json'),
    dataDir: values.DATA_DIR,
    gateways: {
      perGateway: values.SESSIONS_PER_GATEWAY,
      rate: values.GATEWAY_RATE,
      burst: values.GATEWAY_BURST,
      address: values.GATEWAY_ADDRESS as string | undefined,
    },
    corsOrigins: values.CORS_ORIGINS,
    console: values.CONSOLE
      ? {
          operators: values.CONSOLE_TOKENS,
          tiles:
            values.CONSOLE_TILE_URL === undefined
              ? null
              : { url: values.CONSOLE_TILE_URL as string, attribution: values.CONSOLE_TILE_ATTRIBUTION },
        }
      : null,
    webSocketOrigins: (values.WS_ORIGINS as string[] | undefined) ?? values.CORS_ORIGINS,
    door: {
      proxyNetworks: values.PROXY_NETWORKS,
      connectTimeoutMs: values.CONNECT_TIMEOUT_MS,
      limits: {
        halfOpenPerAddress: values.HALF_OPEN_PER_ADDRESS,
        halfOpenMax: values.HALF_OPEN_MAX,
        connectionsPerAddress: values.CONNECTIONS_PER_ADDRESS,
        ratePerAddress: values.CONNECTION_RATE_PER_ADDRESS,
        rateMax: values.CONNECTION_RATE_MAX,
        loopLagMaxMs: values.LOOP_LAG_MAX_MS,
        limitLoopback: values.LIMIT_LOOPBACK,
      },
    },
    webhooks: {
      networks: values.WEBHOOK_NETWORKS,
      timeoutMs: values.WEBHOOK_TIMEOUT_MS,
      retryMs: values.WEBHOOK_RETRY_MS,
      giveUpMs: values.WEBHOOK_GIVE_UP_S * 1_000,
    },
    relayedPeoplePerHour: values.RELAYED_PEOPLE_PER_HOUR,
    redisUrl: values.REDIS_URL as string | undefined,
    storeTimeoutMs: values.STORE_TIMEOUT_MS,
    journal: { telemetryBytesMax: values.JOURNAL_TELEMETRY_BYTES_MAX },
    drainMs: values.DRAIN_SECONDS * 1_000,
    logLevel: values.LOG_LEVEL,
    /** Read again on SIGHUP and when it changes. */
    logLevelFile,
    gate: {
      connectBytesMax: values.CONNECT_BYTES_MAX,
      connectTimeoutMs: values.CONNECT_TIMEOUT_MS,
      packetBytesMax: values.PACKET_BYTES_MAX,
      telemetryRate: values.TELEMETRY_RATE,
      telemetryBurst: values.TELEMETRY_BURST,
    },
    sessions: {
      perUser: values.SESSIONS_PER_USER,
      subscriptionsMax: values.SUBSCRIPTIONS_PER_SESSION,
      backlogBytesMax: values.BACKLOG_BYTES_MAX,
    },
    throttle: {
      failuresPerIdentity: values.LOGIN_FAILURES_PER_IDENTITY,
      failuresPerAddress: values.LOGIN_FAILURES_PER_ADDRESS,
      limitLoopback: values.LIMIT_LOOPBACK,
    },
    retention: {
      telemetryPerApp: values.TELEMETRY_PER_APP,
      eventsPerApp: values.EVENTS_PER_APP,
      reportKeysPerUser: values.REPORT_KEYS_PER_USER,
      days: values.RETENTION_DAYS,
    },
  }
}

/** NAME itself, or the content of the file that NAME_FILE names. An empty value counts as none, an empty file is an error. */
function readValue(environment: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = environment[name]?.trim()
  const file = `${name}_FILE` in SETTINGS ? undefined : environment[`${name}_FILE`]
  // Whichever won, somebody would wonder one night why his new password does nothing.
  if (value && file) throw new Error(`is set as well as ${name}: keep one of them`)
  if (value) return value
  if (!file) return undefined
  const content = readFileSync(file, 'utf8').trim()
  if (content === '') throw new Error('is empty')
  return content
}
