import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import type { Test } from 'tap'
import { APPS, backendOf, connectPhone, eventLogOf } from '../support/api.js'
import { root, startBroker, temporaryDirectory } from '../support/broker.js'
import type { Broker } from '../support/broker.js'
import { createWebhookApps, newSecret, WEBHOOK_ENV, webhookUntil } from '../support/webhook-receiver.js'

interface Line {
  listening?: number
  event?: { id: string; type: string; incidentId: string }
  webhook?: { id: string; type: string; incidentId: string }
}

t.test('the example signs sessions, follows the log, takes web hooks and acknowledges', async (t) => {
  const secret = newSecret()
  const apps = createWebhookApps(t, [])
  const broker = await startBroker(t, { env: { ...WEBHOOK_ENV, APPS_FILE: apps.file } })
  const placeFile = join(temporaryDirectory(t), 'place')
  const first = await startExample(t, broker, secret, placeFile)
  apps.write([{ id: 'example', url: `http://127.0.0.1:${first.port}/webhook`, secrets: [secret] }])
  await webhookUntil(broker, ({ state }) => state === 'delivering', 'example')

  const answer = await fetch(`http://127.0.0.1:${first.port}/session`, {
    method: 'POST',
    body: JSON.stringify({ externalUserId: 'partner/user ñ' }),
  })
  const session = (await answer.json()) as { appId: string; externalUserId: string; userHash: string }
  const phone = await connectPhone(t, broker, {
    ...session,
    username: `sdk:${session.appId}:${session.externalUserId}`,
    password: session.userHash,
  })
  await phone.report()
  t.match(await phone.next(), { type: 'processed' })
  t.match(await phone.next(), { type: 'acknowledged' }, 'the phone hears that somebody has seen it')
  const log = await eventLogOf(broker)
  t.match(log.at(-1), { type: 'acknowledged', by: 'example backend', note: 'we are on our way' })
  for (const { id } of log) {
    await first.line(({ event }) => event?.id === id)
    await first.line(({ webhook }) => webhook?.id === id)
  }
  const forged = await fetch(`http://127.0.0.1:${first.port}/webhook`, { method: 'POST', body: '{}' })
  t.equal(forged.status, 400)
  t.equal(await first.stop(), 0)

  const { body } = await backendOf(broker).post(`/incidents/${log[0]?.incidentId}/resolve`)
  t.equal(body.incident?.status, 'resolved')
  const second = await startExample(t, broker, secret, placeFile)
  const next = await second.line(({ event }) => event !== undefined)
  t.equal(next.event?.type, 'resolved', 'it goes on where it was')
  t.equal(await second.stop(), 0)
})

async function startExample(t: Test, broker: Broker, webhookSecret: string, placeFile: string) {
  const child = spawn(process.execPath, [join(root, 'examples/node-backend/main.mjs')], {
    env: {
      BROKER_URL: `http://127.0.0.1:${broker.ports.http}`,
      APP_ID: 'app-a',
      APP_SECRET: APPS[0]?.secrets[0],
      WEBHOOK_SECRET: webhookSecret,
      PORT: '0',
      PLACE_FILE: placeFile,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  t.teardown(() => void child.kill('SIGKILL'))
  const lines: Line[] = []
  let wake = () => {}
  createInterface({ input: child.stdout }).on('line', (text) => {
    lines.push(JSON.parse(text) as Line)
    wake()
  })
  const line = async (fits: (line: Line) => boolean): Promise<Line> => {
    for (;;) {
      const found = lines.find(fits)
      if (found) return found
      await new Promise<void>((resolve) => (wake = resolve))
    }
  }
  const { listening } = await line((one) => one.listening !== undefined)
  return {
    port: listening as number,
    line,
    async stop(): Promise<number> {
      child.kill('SIGTERM')
      const [code] = (await exited) as [number]
      return code
    },
  }
}
