// A program: the worker of the pipeline. Subscribes to everybody's telemetry and SOS, validates, writes to Redis (all
// commands of a turn of the event loop in one go), and tells the user of a stored SOS by an event.
import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import mqtt from 'mqtt'
import { z } from 'zod'
import { EVENTS_STREAM, OPEN_INCIDENTS, POSITIONS, TELEMETRY_STREAM } from './pipeline-keys.js'

const [port, password = '', socket = ''] = process.argv.slice(2)
const redis = new Redis(socket, { enableAutoPipelining: true })
const position = {
  timestamp: z.iso.datetime(),
  latitude: z.number().min(-90).max(90).optional(),
  longitude: z.number().min(-180).max(180).optional(),
  altitude: z.number().optional(),
}
const Report = z.looseObject(position)

const client = await mqtt.connectAsync({
  host: '127.0.0.1',
  port: Number(port),
  username: 'worker',
  password,
  clientId: 'worker',
  clean: true,
})
client.on('message', (topic, payload) => {
  take(topic, payload).catch((error: Error) => process.stderr.write(`worker: ${error.message}\n`))
})
await client.subscribeAsync(['tel/+/data', 'sos/alerts/+'], { qos: 1 })
process.stdout.write('ready\n')
process.on('SIGTERM', () => process.exit(0))

async function take(topic: string, payload: Buffer): Promise<void> {
  const parsed = Report.safeParse(JSON.parse(payload.toString()))
  if (!parsed.success) return
  const [kind, second, third] = topic.split('/')
  const user = (kind === 'tel' ? second : third) as string
  const record = JSON.stringify({ user, receivedAt: new Date().toISOString(), ...parsed.data })
  if (kind === 'tel') {
    await Promise.all([
      redis.xadd(TELEMETRY_STREAM, '*', 'record', record),
      redis.hset(POSITIONS, user, record),
    ])
    return
  }
  const incidentId = (await redis.hget(OPEN_INCIDENTS, user)) ?? randomUUID()
  await Promise.all([
    redis.hset(OPEN_INCIDENTS, user, incidentId),
    redis.xadd(EVENTS_STREAM, '*', 'event', record),
  ])
  const event = { eventId: randomUUID(), type: 'processed', incidentId, occurredAt: parsed.data.timestamp }
  await client.publishAsync(`sos/events/${user}`, JSON.stringify(event), { qos: 1 })
}
