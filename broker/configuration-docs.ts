import { SETTINGS } from './config.js'

/** docs/configuration.md, made from the settings themselves; `npm run docs` writes it and a test compares it. */
export function renderConfigurationDocs(): string {
  const rows = Object.entries(SETTINGS).map(([name, setting]) => {
    const fallback = 'fallback' in setting ? `\`${setting.fallback}\`` : '–'
    return `| \`${name}\` | ${fallback} | ${setting.about} |`
  })
  return `${INTRODUCTION}\n| variable | default | what for, and why this value |\n|---|---|---|\n${rows.join('\n')}\n${FIXED}`
}

const INTRODUCTION = `# Configuration

Made from \`broker/config.ts\` by \`npm run docs\`; do not edit.

The broker is configured by environment variables, read once at the start. \`NAME_FILE\` reads the value of
\`NAME\` from a file, which is how secrets such as a \`REDIS_URL\` with a password should come in. A value that
cannot be used ends the start with exit code 1 and one line that names the variable and never a secret. Set \`NAME\` or \`NAME_FILE\`, not both; an empty file is an error.

\`connect-broker check-config\` tells what would run, or every error at once. A variable whose name is nearly that of a
setting is warned about, there and at the start.

Certificate, apps and a \`LOG_LEVEL_FILE\` are read again while the broker runs; everything else needs a restart.
`

const FIXED = `
## Limits that are not settings

| limit | value | where | why |
|---|---|---|---|
| bytes and time of a PROXY protocol header | 4 KiB, 3 s | \`broker/door/\` | addresses need 52 bytes, the rest is what a proxy adds; it sends all of it at once |
| bytes and records of a ClientHello | 8 KiB, 16 | \`broker/door/client-hello.ts\` | one with a post-quantum key share and a ticket has about 3 KiB |
| fragments of a WebSocket message, pieces of a frame | 256, 4096 | \`broker/websocket.ts\` | each costs some 150 bytes of memory; nobody cuts an SOS into more |
| bytes of a WebSocket before CONNECT | twice \`CONNECT_BYTES_MAX\` | \`broker/websocket.ts\` | a CONNECT may come in small frames |
| HTTP headers, body, time of a whole request | 8 KiB, 64 KiB, 15 s | \`broker/listeners.ts\`, \`http/server.ts\` | the SDK sends about 1 KiB of headers and 4 KiB of SOS |
| levels of a topic | 10 | \`broker/gate/packets.ts\` | no topic of ours has more than three, of a gateway more than eight |
| filters of one SUBSCRIBE or UNSUBSCRIBE | 64 | \`broker/gate/packets.ts\` | the SDK sends one; each costs a check and a byte in the answer |
| packets of a client in one turn | 32 | \`broker/gate/gate.ts\` | then others have theirs: a segment full of the smallest SOS would hold everybody up for a second |
| bytes of a topic | 255, a percent-encoded byte counting as one | \`broker/gate/packets.ts\` | an encoded external id fits; longer ones are attacks on whatever splits topics; encoding costs nothing, or an id would be too long in one alphabet only |
| bytes of an external user id | 244 | \`auth/identity.ts\` | with \`sos/events/\` before it the topic has 255 |
| live secrets of an app | 2 | \`auth/apps.ts\` | old and new while rotating; every login does the work for both, so that none shows in the time it takes |
| mesh gateways of an app, tokens of one | 1,000, 2 | \`auth/gateways.ts\` | every node keeps them all in memory; an old and a new token while it is replaced |
| web hooks of an app | 4 | \`auth/app-limits.ts\` | each is a request for every event |
| requests under way to a web hook, of these repeated ones | 10, 4 | \`hooks/run.ts\` | more would wait at the other end; a receiver that hangs for some incidents is free for the others |
| incidents that a web hook may leave behind | 256 | \`hooks/run.ts\` | with more it is the receiver that fails, and the event log is the queue |
| dead letters of a web hook | 1,000 | \`store/webhooks.ts\` | about 2 MB; the event log has them too |
| channels of an app's mesh | 32 | \`auth/apps.ts\` | the keys of all may be tried for a packet that none fits |
| unacknowledged events of a session | 100, or the client's Receive Maximum | \`broker/gate/outbound.ts\` | the rest waits, within \`BACKLOG_BYTES_MAX\` |
| held telemetry of a connection | 64 KiB | \`broker/gate/gate.ts\` | what an SOS of the same client can overtake; behind it the socket is read no further |
| time for an answer while a connection closes | 5 s | \`broker/gate/gate.ts\` | a stop of the broker must end within 10 s |
| time for a client to read its last packet | 1 s | \`broker/gate/gate.ts\` | who has not read it by then never will |
| time for a client that has to go to get its answers, and then to hear of it | 3 s, 1 s | \`broker/gate/gate.ts\` | what it sends until then is still stored |
| answer of Redis | 3 s | \`store/redis/connection.ts\` | only this notices a Redis that neither answers nor closes |

## The apps file

\`\`\`json
{ "apps": [{ "appId": "demo-app", "secrets": ["…"], "disabled": false }] }
\`\`\`

One entry per app. While a secret is rotated both stand in \`secrets\`, the new one last (\`npm run -s sign\` uses the
last). \`"disabled": true\` refuses every user of the app. The file is read again within a second after it changed and
on SIGHUP; one that is broken leaves the apps as they were and says so in the log.

\`"webhooks": [{ "id": "desk", "url": "https://…", "secrets": ["whsec_…"] }]\` tells the partner's systems every event:
[webhooks.md](webhooks.md).

An app with a radio mesh may add \`mesh\`, all of it optional; [gateways.md](gateways.md) says when it is needed:

\`\`\`json
{
  "channels": [{ "name": "Rescue", "key": "<base64>" }],
  "ports": { "256": "sos", "257": "tel" },
  "sosWords": ["SOS", "#SOS", "🆘"],
  "sosSensors": ["SOS", "PANIC", "MANDOWN"]
}
\`\`\`

\`channels\`: keys for packets that gateways send encrypted; \`AQ==\` is the public default key. \`ports\` (256 to
511): where wearables send EIXAM packets, and which ones. \`sosWords\` and \`sosSensors\` replace the defaults, which are
those shown. \`"cancelCloses": true\` lets a cancel from the mesh close the incident; by default it is only recorded.
`
