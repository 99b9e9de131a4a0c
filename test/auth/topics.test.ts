import * as fc from 'fast-check'
import t from 'tap'
import { createUser } from '../../auth/identity.js'
import { readPublishTopic, readTopicFilter } from '../../auth/topics.js'
import { encodeAsDart } from '../support/phone.js'

const users = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .map((externalUserId) => createUser({ appId: 'demo-app', externalUserId }))
const anyFilter = fc.oneof(
  fc.string(),
  fc
    .array(fc.constantFrom('sos', 'tel', 'events', 'alerts', 'data', '+', '#', '$share', '$SYS', '', 'alice'))
    .map((levels) => levels.join('/')),
)

t.test(
  'contract 4: an external id names its user as Dart encodes it, in lower-case escapes and fully escaped',
  async (t) => {
    fc.assert(
      fc.property(users, (user) => {
        const encoded = encodeAsDart(user.externalUserId)
        const escaped = [...Buffer.from(user.externalUserId)]
          .map((byte) => `%${byte.toString(16).padStart(2, '0')}`)
          .join('')
        return [encoded, encodeURIComponent(user.externalUserId), escaped].every((own) => {
          const verdict = readTopicFilter(user, `sos/events/${own}`)
          return (
            verdict.is === 'events' &&
            verdict.form === 'external' &&
            readPublishTopic(user, `sos/alerts/${own}`).is === 'sos' &&
            readPublishTopic(user, `tel/${own}/data`).is === 'telemetry'
          )
        })
      }),
    )
    t.equal(encodeAsDart("aZ09-_.!~*'()"), "aZ09-_.!~*'()")
    t.equal(encodeAsDart('partner/user 42'), 'partner%2Fuser%2042')
  },
)

t.test('contract 4: the encoded id and the UUID of one user never name another', async (t) => {
  fc.assert(
    fc.property(users, users, (user, other) => {
      const encoded = encodeAsDart(other.externalUserId)
      // A user may be called what somebody else's id looks like encoded; then he names himself.
      fc.pre(user.userId !== other.userId && user.externalUserId !== encoded)
      return [encoded, other.userId].every(
        (name) =>
          readTopicFilter(user, `sos/events/${name}`).is === 'refused' &&
          readPublishTopic(user, `sos/alerts/${name}`).is === 'refused' &&
          readPublishTopic(user, `tel/${name}/data`).is === 'refused',
      )
    }),
  )
  const [alice, bob] = ['alice', 'bob'].map((externalUserId) =>
    createUser({ appId: 'demo-app', externalUserId }),
  )
  t.equal(readTopicFilter(alice!, `sos/events/${bob!.userId}`).is, 'refused')
  t.equal(readTopicFilter(bob!, `sos/events/${bob!.userId}`).is, 'events')
})

t.test('contract 4: whatever filter is granted is sos/events/<own> and holds no wildcard', async (t) => {
  const alice = createUser({ appId: 'demo-app', externalUserId: 'alice' })
  fc.assert(
    fc.property(anyFilter, (topicFilter) => {
      const isOwn = ['alice', alice.userId].some((own) => topicFilter === `sos/events/${own}`)
      const isGranted = readTopicFilter(alice, topicFilter).is === 'events'
      return isGranted === isOwn
    }),
    { numRuns: 2_000 },
  )
  t.same(readTopicFilter(alice, 'sos/events/alice'), { is: 'events', form: 'external' })
  t.same(readTopicFilter(alice, `sos/events/${alice.userId}`), { is: 'events', form: 'uuid' })
})

t.test('contract 4: a user called + or # has an encoded topic of his own and no raw one', async (t) => {
  for (const externalUserId of ['+', '#']) {
    const user = createUser({ appId: 'demo-app', externalUserId })
    t.match(readTopicFilter(user, `sos/events/${externalUserId}`), { is: 'refused', why: 'wildcard' })
    t.match(readTopicFilter(user, `sos/events/${encodeAsDart(externalUserId)}`), { is: 'events' })
  }
})

t.test('contract 4: an escape that decodes to nothing names nobody and breaks nothing', async (t) => {
  const alice = createUser({ appId: 'demo-app', externalUserId: 'alice' })
  for (const level of ['%', '%E0%A4%A', '%ff', 'alice%', '%00alice'])
    t.equal(readPublishTopic(alice, `sos/alerts/${level}`).is, 'refused', level)
  const percent = createUser({ appId: 'demo-app', externalUserId: '100%' })
  t.equal(readPublishTopic(percent, 'sos/alerts/100%').is, 'sos', 'but an id may hold a bare percent sign')
})
