import { useEffect } from 'preact/hooks'
import { batteryText } from './incident-list.js'
import { readPeople } from './live.js'
import { personKey, personName, store } from './state.js'
import { useNow, useStore } from './store.js'
import { age, say } from './text.js'
import type { IncidentRow, PersonRow } from './wire.js'

/** Who was heard, the latest first, and where. */
export function People() {
  const people = useStore(store, (state) => state.people)
  const incidents = useStore(store, (state) => state.incidents)
  const now = useNow(1_000) + store.get().clockAhead
  useEffect(() => {
    const read = () => void readPeople()
    read()
    const timer = setInterval(read, REREAD_MS)
    return () => clearInterval(timer)
  }, [])
  const rows = [...people.values()]
    .toSorted((a, b) => (a.receivedAt < b.receivedAt ? 1 : -1))
    .slice(0, SHOWN_MAX)
  // Whoever has sent an SOS and no telemetry is somewhere all the same.
  const sosPlaces = new Map<string, Pick<IncidentRow, 'place' | 'placeAt'>>()
  for (const { appId, person, place, placeAt } of incidents.values())
    if (place && placeAt !== undefined) sosPlaces.set(personKey(appId, person.userId), { place, placeAt })
  if (rows.length === 0) return <p class="hint">{say('noPeople')}</p>
  return (
    <ul class="people">
      {rows.map((row) => (
        <li key={personKey(row.appId, row.person.userId)}>
          <Person row={{ ...sosPlaces.get(personKey(row.appId, row.person.userId)), ...row }} now={now} />
        </li>
      ))}
    </ul>
  )
}

function Person({ row, now }: { row: PersonRow; now: number }) {
  const { person, place, placeAt, receivedAt, sessions } = row
  const text = (
    <>
      <strong>{personName(person)}</strong>
      <span class="small">
        {say('lastHeard', age(receivedAt, now))} ·{' '}
        {placeAt === undefined ? say('noPosition') : say('positionAge', age(placeAt, now))}
        {sessions > 0 && ` · ${say('connected')}`}
        {batteryText(row) && ` · ${batteryText(row)}`}
      </span>
    </>
  )
  if (!place) return <div class="person">{text}</div>
  return (
    <button
      type="button"
      class="person"
      title={say('showOnMap')}
      onClick={() => store.set({ focus: { ...place } })}
    >
      {text}
    </button>
  )
}

const REREAD_MS = 15_000
const SHOWN_MAX = 500
