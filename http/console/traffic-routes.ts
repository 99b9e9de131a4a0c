import type { FastifyInstance } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { Store, TelemetryRecord } from '../../store/store.js'
import { notFound } from '../errors.js'
import { batteriesOf, personOf, placeOf, present } from './rows.js'
import type { AppTraffic, PersonRow } from './wire.js'

/** A session of a phone on this node. */
export interface PhoneSession {
  user: { userId: string; externalUserId: string }
  since: string
}

export interface ConsoleTrafficOptions {
  store: Store
  sessionsOfApp: (appId: string) => PhoneSession[]
}

/** Who is connected and who was heard last, and where. */
export function consoleTrafficRoutes({ store, sessionsOfApp }: ConsoleTrafficOptions): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/traffic', async ({ appId }): Promise<AppTraffic> => {
      const latest = await store.telemetry.readLatest(appId, RECORDS_READ)
      const sessions = sessionsOfApp(appId)
      const heard = newestOfEach(latest)
      const counts = new Map<string, number>()
      for (const {
        user: { userId },
      } of sessions)
        counts.set(userId, (counts.get(userId) ?? 0) + 1)
      const rows = [...heard.values()].map((record) => personRowOf(record, counts.get(record.userId) ?? 0))
      const silent = sessions.filter(({ user }) => !heard.has(user.userId))
      const withoutPosition = [...new Map(silent.map((one) => [one.user.userId, one])).values()].map(
        ({ since, user }): PersonRow => ({
          appId,
          person: personOf(user, ''),
          receivedAt: since,
          sessions: counts.get(user.userId) ?? 0,
        }),
      )
      return {
        appId,
        sessions: sessions.length,
        lastTelemetryAt: latest[0]?.receivedAt ?? null,
        people: [...rows, ...withoutPosition].slice(0, PEOPLE_SHOWN),
      }
    })
  }
}

/** The backend surface's own routes, but only those that read: a page shows gateways and makes none. */
export function readOnly(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ method }) => {
    if (method !== 'GET' && method !== 'HEAD') throw notFound('path')
  })
}

export function personRowOf(record: TelemetryRecord, sessions: number): PersonRow {
  const { appId, occurredAt, receivedAt, position, fields } = record
  return {
    appId,
    person: personOf(record, ''),
    receivedAt,
    sessions,
    ...present({ place: placeOf(position, fields), placeAt: position && occurredAt }),
    ...batteriesOf(fields),
  }
}

/** Of each user the newest record that says where he is, else the newest at all. */
function newestOfEach(latest: readonly TelemetryRecord[]): Map<string, TelemetryRecord> {
  const found = new Map<string, TelemetryRecord>()
  for (const record of latest) {
    const before = found.get(record.userId)
    if (!before || (!before.position && record.position && !record.isHistory))
      found.set(record.userId, record)
  }
  return found
}

const RECORDS_READ = 2_000
const PEOPLE_SHOWN = 500
