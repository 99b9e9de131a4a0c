import { join } from 'node:path'
import t from 'tap'
import { startBroker, temporaryDirectory } from '../support/broker.js'
import { connectPhone } from '../support/phone.js'
import type { Phone, Version } from '../support/phone.js'
import { startRedis } from '../support/redis.js'
import { writeApps } from '../support/stored.js'

type Tap = Parameters<typeof connectPhone>[0]
let second = 0

/**
 * `speaker` raises and hears it; then `listener` raises. The first events that the listener hears are his
 * own: what was given to the wrong session would have come before.
 */
async function checkApart(t: Tap, speaker: Phone, listener: Phone): Promise<void> {
  const incidents: unknown[] = []
  for (const phone of [speaker, listener]) {
    const occurredAt = `2026-05-01T10:00:${String(second++).padStart(2, '0')}.000Z`
    t.equal(await phone.publish('sos/alerts', { timestamp: occurredAt, userId: speaker.user.userId }), 0)
    const [uuidCopy, externalCopy] = [await phone.nextEvent(), await phone.nextEvent()]
    t.match(uuidCopy, {
      topic: phone.uuidTopic,
      event: { appId: phone.user.appId, userId: phone.user.userId, occurredAt },
    })
    t.match(externalCopy, {
      topic: phone.externalTopic,
      event: { appId: phone.user.appId, userId: phone.user.externalUserId, occurredAt },
    })
    incidents.push(uuidCopy.event.incidentId)
  }
  t.not(incidents[0], incidents[1], 'two people, two incidents')
}

for (const store of ['embedded', 'redis']) {
  t.test(`with the ${store} store`, async (t) => {
    const dataDir = temporaryDirectory(t)
    writeApps(join(dataDir, 'apps.json'), [
      { appId: 'demo-app', secrets: ['one'] },
      { appId: 'other-app', secrets: ['two'] },
    ])
    const env = store === 'redis' ? { REDIS_URL: (await startRedis(t)).url } : {}
    const broker = await startBroker(t, { dataDir, env })
    const connect = async (externalUserId: string, appId: string, version: Version) => {
      const phone = await connectPhone(t, broker.ports.mqtt, broker.credentials(externalUserId, appId), {
        version,
      })
      t.same(await phone.subscribe(phone.uuidTopic, phone.externalTopic), [1, 1])
      return phone
    }

    for (const version of [4, 5] as Version[]) {
      t.test(
        `contract 4: user 42 of app A and user 42 of app B never see each other's events, version ${version}`,
        async (t) => {
          const a = await connect('42', 'demo-app', version)
          const b = await connect('42', 'other-app', version)
          t.not(a.user.userId, b.user.userId)
          t.equal(a.externalTopic, b.externalTopic, 'under one and the same topic')
          await checkApart(t, a, b)
          await checkApart(t, b, a)
        },
      )

      t.test(
        `contract 4: a user whose external id is another user's UUID sees nothing of that user, version ${version}`,
        async (t) => {
          const victim = await connect(`victim ${version}`, 'demo-app', version)
          const signedAsUuid = await connect(victim.user.userId, 'demo-app', version)
          t.equal(signedAsUuid.externalTopic, victim.uuidTopic, 'under one and the same topic')
          await checkApart(t, victim, signedAsUuid)
          const elsewhere = await connect(victim.user.userId, 'other-app', version)
          await checkApart(t, victim, elsewhere)
        },
      )

      for (const wildcard of ['+', '#']) {
        t.test(
          `contract 4: a user called ${wildcard} hears himself and nobody else, version ${version}`,
          async (t) => {
            const named = await connect(wildcard, 'demo-app', version)
            const other = await connect(`beside ${wildcard}`, 'demo-app', version)
            const raw = await named.subscribe(`sos/events/${wildcard}`)
            t.same(raw, [version === 5 ? 0xa2 : 0x80], 'his raw id is a wildcard')
            await checkApart(t, other, named)
          },
        )
      }
    }
  })
}
