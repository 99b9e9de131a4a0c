// A program for test/store/embedded-disk.test.ts: writes to an embedded store and says on standard output
// when it asks and when its promise has settled, so that a trace of system calls shows what lay between.
import { writeSync } from 'node:fs'
import { createUser } from '../../auth/identity.js'
import { report } from '../../handlers/incident-rules.js'
import { openEmbeddedStore } from '../../store/embedded/embedded-store.js'

const store = openEmbeddedStore({
  directory: process.argv[2] as string,
  retention: { telemetryPerApp: 100, eventsPerApp: 100, reportKeysPerUser: 10, days: 1 },
})
const user = createUser({ appId: 'demo-app', externalUserId: 'alice' })
const first = Number(process.argv[3] ?? 0)
const say = (text: string) => void writeSync(1, `${text}\n`)
for (let n = first; n < first + 5; n++) {
  const at = new Date(Date.parse('2026-05-01T10:00:00Z') + n)
  const stamp = { now: at, incidentId: `incident-${n}`, eventId: `event-${n}` }
  const sos = { timestamp: at.toISOString(), reportKey: String(n) }
  const time = at.toISOString()
  const writes = {
    sos: () => store.incidents.change(user, [sos.reportKey], report(user, sos, stamp, { mayReopen: false })),
    telemetry: () => store.telemetry.append({ ...user, occurredAt: time, receivedAt: time, fields: { n } }),
  }
  for (const [what, write] of Object.entries(writes)) {
    say(`asked ${what} ${n}`)
    try {
      await write()
      say(`resolved ${what} ${n}`)
    } catch {
      say(`rejected ${what} ${n}`)
    }
  }
}
await store.stop()
