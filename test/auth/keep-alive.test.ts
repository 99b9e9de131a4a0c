import t from 'tap'
import { startBroker } from '../support/broker.js'
import { logIn } from '../support/raw-client.js'
import { connectPhone } from '../support/phone.js'
import { publishPacket, sosPayload } from '../support/publishing.js'

const broker = await startBroker(t)
const { mqtt } = broker.ports
t.jobs = 4

for (const version of [3, 4, 5] as const) {
  t.test(
    `[MQTT-3.1.2-24] a client that is silent for one and a half keep alives is closed, version ${version}`,
    { buffered: true },
    async (t) => {
      const patient = await connectPhone(t, mqtt, broker.credentials(`patient-${version}`), {
        version,
        keepalive: 0,
      })
      const silent = await connectPhone(t, mqtt, broker.credentials(`silent-${version}`), {
        version,
        keepalive: 1,
      })
      const disconnect = await silent.closed()
      if (version === 5) t.match(disconnect, { reasonCode: 0x8d }, 'Keep Alive timeout')
      else t.equal(disconnect, undefined)
      t.same(await patient.subscribe(patient.uuidTopic), [1], 'keep alive 0 is none')
    },
  )
}

t.test('contract 3: PINGREQ alone keeps a session alive', { buffered: true }, async (t) => {
  const pinging = await logIn(t, mqtt, broker.credentials('pinging'), { protocolVersion: 5, keepalive: 3 })
  const silent = await connectPhone(t, mqtt, broker.credentials('quiet'), { version: 5, keepalive: 3 })
  let isSilentClosed = false
  const closed = silent.closed().then(() => (isSilentClosed = true))
  // oxlint-disable-next-line no-unmodified-loop-condition -- the line above ends it
  while (!isSilentClosed) {
    pinging.sendPacket({ cmd: 'pingreq' })
    await pinging.nextOf('pingresp')
  }
  await closed
  pinging.sendPacket({ cmd: 'pingreq' })
  t.equal((await pinging.next()).cmd, 'pingresp', 'it is still there when the silent one is gone')
})

t.test(
  'publications alone keep a session alive, and so does what waits for its pace',
  { buffered: true },
  async (t) => {
    const options = { protocolVersion: 5, keepalive: 3 } as const
    const sending = await logIn(t, mqtt, broker.credentials('sending'), options)
    const flooding = await logIn(t, mqtt, broker.credentials('flooding'), options)
    const silent = await connectPhone(t, mqtt, broker.credentials('mute'), { version: 5, keepalive: 3 })
    // At 20 a second the last of these is taken when the silent one is long gone.
    for (let n = 1; n <= 250; n++) flooding.sendPacket(publishPacket('tel/data', '{}', n))
    let isSilentClosed = false
    const closed = silent.closed().then(() => (isSilentClosed = true))
    // oxlint-disable-next-line no-unmodified-loop-condition -- the line above ends it
    for (let n = 1; !isSilentClosed; n = (n % 100) + 1) {
      sending.sendPacket(publishPacket('sos/alerts', sosPayload(1), n))
      await sending.take('puback')
    }
    await closed
    sending.sendPacket({ cmd: 'pingreq' })
    t.equal((await sending.next()).cmd, 'pingresp', 'publications of QoS 1')
    let acknowledged = 0
    while (acknowledged < 250) acknowledged = (await flooding.nextOf('puback')).messageId ?? 0
    t.equal(acknowledged, 250, 'telemetry that waited')
  },
)
