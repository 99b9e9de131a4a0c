import { useEffect, useState } from 'preact/hooks'
import { ActDialog } from './act-dialog.js'
import { appPath, getJson } from './api.js'
import { STORY_WORDS } from './hooks.js'
import { batteryText } from './incident-list.js'
import { isOpen, nameOf, plain, store } from './state.js'
import { useNow, useStore } from './store.js'
import { age, clock, say } from './text.js'
import { trails } from './trails.js'
import type { Delivery, IncidentRow, IncidentStory, StoryEntry } from './wire.js'

/** Everything about one incident: who, where, what was done, and what can be done. */
export function Detail({ appId, id }: { appId: string; id: string }) {
  const version = useStore(store, (state) => state.storyVersion)
  const live = useStore(store, (state) => state.incidents.get(id))
  const hooks = useStore(store, (state) => state.hooks.get(appId))
  const [told, setTold] = useState<IncidentStory | null>(null)
  const [trouble, setTrouble] = useState('')
  const [act, setAct] = useState<'acknowledge' | 'resolve' | null>(null)
  const now = useNow(1_000) + store.get().clockAhead

  useEffect(() => {
    let isGone = false
    const read = () =>
      getJson<IncidentStory>(appPath(appId, `incidents/${encodeURIComponent(id)}`)).then(
        (story) => {
          if (isGone) return
          setTold(story)
          setTrouble('')
          trails.set({ id, dots: story.trail })
          if (!store.get().focus && story.incident.place) store.set({ focus: { ...story.incident.place } })
        },
        (error: Error) => isGone || setTrouble(error.message),
      )
    void read()
    const timer = setInterval(() => void read(), REREAD_MS)
    const soon = DELIVERED_MS.map((ms) => setTimeout(() => void read(), ms))
    return () => {
      isGone = true
      soon.forEach((one) => clearTimeout(one))
      clearInterval(timer)
    }
  }, [appId, id, version])
  useEffect(() => () => trails.set({ id: '', dots: [] }), [])

  const incident = live ?? told?.incident
  const back = (
    <button type="button" class="back" onClick={() => store.set({ selected: null })}>
      ← {say('back')}
    </button>
  )
  if (!incident)
    return (
      <section class="detail">
        {back}
        <p role="alert">{trouble ? say('gone', trouble) : say('loading')}</p>
      </section>
    )
  return (
    <section class="detail" aria-label={say('details', nameOf(incident))}>
      {back}
      <h2>
        {nameOf(incident)} {incident.isDrill && <span class="state drill">{say('drill')}</span>}{' '}
        <span class={`state ${incident.status}`}>{say(incident.status)}</span>
      </h2>
      {isOpen(incident) && (
        <p class="actions">
          {incident.status === 'active' && (
            <button type="button" class="main" onClick={() => setAct('acknowledge')}>
              {say('acknowledge')}
            </button>
          )}
          <button type="button" class="strong" onClick={() => setAct('resolve')}>
            {say('resolve')}
          </button>
        </p>
      )}
      {act && <ActDialog incident={incident} act={act} onDone={() => setAct(null)} />}
      <p role="alert">{trouble && say('gone', trouble)}</p>
      <Facts incident={incident} told={told} now={now} />
      <h3>{say('story')}</h3>
      {hooks?.map(({ id: hookId, held, failure }) => {
        const since = held.find(({ incidentId }) => incidentId === id)?.since
        return (
          since !== undefined && (
            <p key={hookId} class="troubled">
              {say('hook')} {hookId}: {say('hookFailing', age(since, now))} ({failure?.reason})
            </p>
          )
        )
      })}
      {told?.isStoryCut && <p class="hint">{say('storyCut')}</p>}
      <ol class="story">
        {told?.story.toReversed().map((entry) => (
          <li key={entry.version}>
            <Entry entry={entry} />
          </li>
        ))}
      </ol>
    </section>
  )
}

function Facts({ incident, told, now }: { incident: IncidentRow; told: IncidentStory | null; now: number }) {
  const { place, placeAt, person, unattributed } = incident
  const facts: [string, preact.ComponentChildren][] = [
    [say('app'), incident.appId],
    [
      say('user'),
      unattributed
        ? `${say('unknownSender')} (${unattributed.sender}, ${unattributed.why})`
        : person.externalUserId,
    ],
    [say('begun'), `${clock(incident.createdAt)} · ${say('ago', age(incident.createdAt, now))}`],
    [
      say('position'),
      place && (
        <span class="place">
          {place.latitude.toFixed(5)}, {place.longitude.toFixed(5)}
          {place.accuracy !== undefined && ` (${say('accuracy', Math.round(place.accuracy))})`}
          {placeAt !== undefined && ` · ${say('ago', age(placeAt, now))}`}
        </span>
      ),
    ],
    [say('device'), incident.device],
    [say('battery'), batteryText(incident)],
    [say('message'), incident.message],
    [say('trigger'), incident.trigger],
    [say('reports'), incident.reports],
    [say('relayedBy', ''), incident.relayedBy.map(plain).join(', ')],
    [
      '',
      incident.cancelHeardAt === undefined ? '' : `${say('cancelHeard')} (${clock(incident.cancelHeardAt)})`,
    ],
  ]
  if (told && !unattributed) {
    const { phone, email, address, contacts, sessions, revokedAt } = told.person
    facts.push(
      [say('phone'), phone && <a href={`tel:${phone}`}>{phone}</a>],
      [say('email'), email],
      [say('address'), address],
      [say('contacts'), contacts.map((one) => `${one.name} ${one.phone} ${one.email}`.trim()).join('; ')],
      [say('sessions'), sessions > 0 ? say('connected') : say('notConnected')],
      ['', revokedAt === null ? '' : say('revoked', clock(revokedAt))],
    )
  }
  return (
    <dl>
      {facts
        .filter(([, value]) => value !== undefined && value !== '')
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name || '!'}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  )
}

function Entry({ entry }: { entry: StoryEntry }) {
  const { at, type, by, note, relayedBy, report, heardBy, deliveries } = entry
  return (
    <>
      <time dateTime={at}>{clock(at)}</time> <strong>{say(STORY_WORDS[type])}</strong>
      {by !== undefined && ` ${say('by', plain(by))}`}
      {relayedBy !== undefined && ` · ${say('relayedBy', plain(relayedBy))}`}
      {heardBy !== undefined && ` · ${heardBy}`}
      {report?.place && ` · ${report.place.latitude.toFixed(5)}, ${report.place.longitude.toFixed(5)}`}
      {report?.device !== undefined && ` · ${plain(report.device)}`}
      {report?.message !== undefined && <q>{report.message}</q>}
      {note !== undefined && <q>{note}</q>}
      {deliveries.length > 0 && (
        <ul class="deliveries small">
          {deliveries.map((delivery) => (
            <li key={`${delivery.at} ${delivery.webhookId}`}>{deliveryText(delivery, at)}</li>
          ))}
        </ul>
      )}
    </>
  )
}

function deliveryText({ at, sessions, webhookId, attempts = 1, gaveUp }: Delivery, happenedAt: string) {
  const time = clock(at, happenedAt)
  if (webhookId === undefined) return `${time} ${say('toPhones', sessions ?? 0)}`
  const tries = attempts > 1 ? `, ${say('attempts', attempts)}` : ''
  if (gaveUp === undefined) return `${time} ${say('toHook', webhookId)}${tries}`
  return `${time} ${say('notToHook', webhookId)}: ${gaveUp}${tries}`
}

const REREAD_MS = 30_000
/** An event is told before it has gone to everybody; who has not got it after the second is told of by the stream. */
const DELIVERED_MS = [1_000, 3_000]
