import * as fc from 'fast-check'
import t from 'tap'
import { encodeWireEvent } from '../../handlers/wire-event.js'
import type { LifecycleEvent } from '../../store/store.js'

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 })
const events = fc.record({
  appId: text,
  userId: fc.uuid(),
  externalUserId: text,
  eventId: fc.uuid(),
  type: fc.constantFrom('processed', 'acknowledged', 'cancelled', 'resolved'),
  incidentId: fc.uuid(),
  status: fc.constantFrom('active', 'acknowledged', 'cancelled', 'resolved'),
  version: fc.nat(),
  at: fc.constant('2026-05-01T10:00:00.000Z'),
  by: text,
  note: text,
  report: fc.record({
    timestamp: text,
    deviceId: text,
    fields: fc.dictionary(fc.constantFrom('nodeId', 'originatorNodeId', 'relayNodeId', 'ackType'), fc.nat()),
  }),
}) as fc.Arbitrary<LifecycleEvent>

t.test(
  'contract 7: an event is pure ASCII and says the ids as they are, whatever characters they hold',
  async (t) => {
    fc.assert(
      fc.property(events, (event) => {
        const [uuid, external] = [encodeWireEvent(event, 'uuid'), encodeWireEvent(event, 'external')]
        const [one, other] = [uuid, external].map((json) => JSON.parse(json) as Record<string, unknown>)
        return (
          /^[\x20-\x7e]+$/.test(uuid + external) &&
          one?.userId === event.userId &&
          other?.userId === event.externalUserId &&
          one?.appId === event.appId &&
          one?.eventId === event.eventId &&
          other?.eventId === event.eventId
        )
      }),
    )
    const [zoe] = fc.sample(events, 1) as [LifecycleEvent]
    t.match(
      encodeWireEvent({ ...zoe, externalUserId: 'Zoë 😀\u007f' }, 'external'),
      '"userId":"Zo\\u00eb \\ud83d\\ude00\\u007f"',
    )
  },
)

t.test(
  'contract 7: no key of an event is taken for an acknowledgement by radio or for a foreign event',
  async (t) => {
    fc.assert(
      fc.property(events, fc.constantFrom('uuid', 'external'), (event, form) => {
        const names = Object.keys(JSON.parse(encodeWireEvent(event, form)) as object)
        return !names.some((name) => /node|ack_?type|relay|actionability|displaySurface|state$/i.test(name))
      }),
    )
    const [event] = fc.sample(events, 1) as [LifecycleEvent]
    t.same(
      Object.keys(JSON.parse(encodeWireEvent({ ...event, type: 'processed' }, 'uuid')) as object).toSorted(),
      [
        'actuators',
        'appId',
        'eventId',
        'incidentId',
        'occurredAt',
        'snapshotVersion',
        'status',
        'type',
        'userId',
      ],
    )
  },
)

t.test(
  'contract 7: the copies differ in userId, and for processed in status, and in nothing else',
  async (t) => {
    fc.assert(
      fc.property(events, (event) => {
        const [uuid, external] = (['uuid', 'external'] as const).map(
          (form) => JSON.parse(encodeWireEvent(event, form)) as Record<string, unknown>,
        )
        const expected: Record<string, unknown> = { ...uuid, userId: event.externalUserId }
        if (event.type === 'processed') delete expected.status
        return JSON.stringify(expected) === JSON.stringify(external)
      }),
    )
    const [event] = fc.sample(events, 1) as [LifecycleEvent]
    const processed = { ...event, type: 'processed', status: 'acknowledged' } as const
    t.match(JSON.parse(encodeWireEvent(processed, 'uuid')), { status: 'acknowledged' }, 'the true status')
    t.notMatch(encodeWireEvent(processed, 'external'), /"status"/)
  },
)
