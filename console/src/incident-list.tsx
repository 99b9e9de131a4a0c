import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { appPath, getJson } from './api.js'
import { inOrder, isOpen, nameOf, plain, store } from './state.js'
import { useNow, useStore } from './store.js'
import { age, clock, say } from './text.js'
import type { IncidentRow } from './wire.js'

/** Only the rows that can be seen are there: a thousand open SOS cost no more than ten. */
export function IncidentList() {
  const incidents = useStore(store, (state) => state.incidents)
  const hasLoaded = useStore(store, (state) => state.hasLoaded)
  const selected = useStore(store, (state) => state.selected?.id)
  const [filter, setFilter] = useState('')
  const [state, setState] = useState<'open' | 'closed'>('open')
  const closed = useClosed(state === 'closed')
  const rows = useMemo(() => {
    const all = state === 'open' ? inOrder(incidents.values()) : closed
    const wanted = filter.trim().toLowerCase()
    return wanted === '' ? all : all.filter((row) => wordsOf(row).includes(wanted))
  }, [incidents, closed, state, filter])
  return (
    <>
      <div class="tools">
        <label>
          <span class="hidden">{say('filter')}</span>
          <input
            type="search"
            placeholder={say('filter')}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        </label>
        {(['open', 'closed'] as const).map((name) => (
          <button key={name} type="button" aria-pressed={state === name} onClick={() => setState(name)}>
            {say(name)}
          </button>
        ))}
      </div>
      {rows.length === 0 ? (
        <p class="hint">
          {state === 'open' && !hasLoaded
            ? say('loading')
            : filter.trim() !== ''
              ? say('noneFound', incidents.size)
              : say(state === 'open' ? 'noIncidents' : 'noneClosed')}
        </p>
      ) : (
        <Rows rows={rows} selected={selected} />
      )}
    </>
  )
}

function Rows({ rows, selected }: { rows: IncidentRow[]; selected: string | undefined }) {
  const box = useRef<HTMLDivElement>(null)
  const [top, setTop] = useState(0)
  const [height, setHeight] = useState(600)
  const now = useNow(1_000) + store.get().clockAhead
  const hasApps = useStore(
    store,
    ({ session }) => session !== null && session !== 'unknown' && session.apps.length > 1,
  )

  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const observer = new ResizeObserver(() => setHeight(element.clientHeight))
    observer.observe(element)
    return () => observer.disconnect()
  }, [])

  const first = Math.max(0, Math.floor(top / ROW_HEIGHT) - MARGIN)
  const last = Math.min(rows.length, Math.ceil((top + height) / ROW_HEIGHT) + MARGIN)

  function onKeyDown(event: KeyboardEvent) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -rows.length, End: rows.length }[
      event.key
    ]
    if (step === undefined) return
    event.preventDefault()
    const focused = Number((event.target as HTMLElement).dataset.at ?? 0)
    const at = Math.min(rows.length - 1, Math.max(0, focused + step))
    const element = box.current
    if (!element) return
    const y = at * ROW_HEIGHT
    if (y < element.scrollTop || y + ROW_HEIGHT > element.scrollTop + element.clientHeight) {
      element.scrollTop = Math.max(0, y - element.clientHeight / 2)
      setTop(element.scrollTop)
    }
    requestAnimationFrame(() => element.querySelector<HTMLElement>(`[data-at="${at}"]`)?.focus())
  }

  return (
    <div
      class="rows"
      ref={box}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      onKeyDown={onKeyDown}
    >
      <ul style={{ height: `${rows.length * ROW_HEIGHT}px` }} aria-label={say('count', rows.length)}>
        {rows.slice(first, last).map((row, i) => (
          <li
            key={row.id}
            style={{ top: `${(first + i) * ROW_HEIGHT}px` }}
            aria-setsize={rows.length}
            aria-posinset={first + i + 1}
          >
            <Row row={row} at={first + i} now={now} isSelected={row.id === selected} hasApps={hasApps} />
          </li>
        ))}
      </ul>
    </div>
  )
}

function Row(props: { row: IncidentRow; at: number; now: number; isSelected: boolean; hasApps: boolean }) {
  const { row, at, now, isSelected, hasApps } = props
  const select = () =>
    store.set({ selected: { appId: row.appId, id: row.id }, focus: row.place ? { ...row.place } : null })
  return (
    <button
      type="button"
      class={`row ${row.status}${row.isDrill ? ' drill' : ''}`}
      data-at={at}
      data-id={row.id}
      aria-current={isSelected ? 'true' : undefined}
      onClick={select}
    >
      <span class="line">
        <strong class="name">{nameOf(row)}</strong>
        {row.isDrill && <span class="state drill">{say('drill')}</span>}
        <span class={`state ${row.status}`}>{say(row.status)}</span>
        <span class="since">
          {isOpen(row) ? say('since', age(row.createdAt, now)) : clock(row.updatedAt)}
        </span>
      </span>
      <span class="line small">
        {row.placeAt === undefined ? say('noPosition') : say('positionAge', age(row.placeAt, now))}
        {batteryText(row) && ` · ${batteryText(row)}`}
        {row.device !== undefined && ` · ${row.device}`}
        {row.relayedBy.length > 0 && ` · ${say('relayedBy', row.relayedBy.map(plain).join(', '))}`}
        {hasApps && ` · ${row.appId}`}
      </span>
      <span class="line small message">
        {row.unattributed ? `${say('unknownSender')} ` : ''}
        {row.cancelHeardAt === undefined ? '' : `${say('cancelHeard')} `}
        {row.message}
      </span>
    </button>
  )
}

export function batteryText({
  deviceBattery,
  phoneBattery,
}: Pick<IncidentRow, 'deviceBattery' | 'phoneBattery'>) {
  return [
    ...(phoneBattery === undefined ? [] : [say('batteryPhone', `${Math.round(phoneBattery)} %`)]),
    ...(deviceBattery === undefined
      ? []
      : [say('batteryDevice', isRange(deviceBattery) ? say(deviceBattery) : deviceBattery)]),
  ].join(', ')
}

const isRange = (text: string) => text === 'critical' || text === 'low' || text === 'medium' || text === 'ok'

function wordsOf({ person, unattributed, device, message, appId, id }: IncidentRow): string {
  return [person.externalUserId, person.name, unattributed?.sender, device, message, appId, id]
    .join(' ')
    .toLowerCase()
}

function useClosed(isWanted: boolean): IncidentRow[] {
  const [closed, setClosed] = useState<IncidentRow[]>([])
  const incidents = useStore(store, (state) => state.incidents)
  useEffect(() => {
    const { session } = store.get()
    if (!isWanted || session === null || session === 'unknown') return
    let isGone = false
    const read = session.apps.map((appId) =>
      getJson<{ incidents: IncidentRow[] }>(appPath(appId, 'incidents?state=closed')),
    )
    void Promise.all(read).then(
      (lists) => isGone || setClosed(inOrder(lists.flatMap(({ incidents: rows }) => rows))),
      (error: Error) => store.set({ trouble: error.message }),
    )
    return () => void (isGone = true)
  }, [isWanted, incidents.size])
  return closed
}

/** As in style.css. */
const ROW_HEIGHT = 88
const MARGIN = 4
