import { tellsOf } from '../../http/console/hook-news.js'
import { ApiError, apiUrl, appPath, getJson, postJson } from './api.js'
import { isOpen, nameOf, personKey, store } from './state.js'
import { areTooMany, answerTabs } from './tabs.js'
import { say } from './text.js'
import { addToTrail } from './trails.js'
import type {
  AppTraffic,
  HealthNow,
  HooksNow,
  IncidentNews,
  IncidentRow,
  PersonRow,
  SessionInfo,
} from './wire.js'

let source: EventSource | null = null
let heardAt = 0
let changes = 0
/** Which change an incident came with last. */
const changedIn = new Map<string, number>()

/** Asks who is logged in, and follows what happens when somebody is. */
export async function begin(): Promise<void> {
  try {
    enter(await getJson<SessionInfo>('session'))
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) leave(store.get().session !== 'unknown')
    else {
      store.set({ connection: 'lost' })
      setTimeout(() => void begin(), RETRY_MS)
    }
  }
}

export function enter(session: SessionInfo): void {
  store.set({ session, hasEnded: false, clockAhead: Date.parse(session.now) - Date.now() })
  if (source) open()
  else void openWhenThereIsRoom()
}

async function openWhenThereIsRoom(): Promise<void> {
  const { session } = store.get()
  const isCrowded = await areTooMany()
  if (session !== store.get().session || source) return
  if (!isCrowded) return open()
  store.set({ connection: 'lost', trouble: say('tooManyTabs') })
  setTimeout(() => {
    if (session === store.get().session && !source) void openWhenThereIsRoom()
  }, RETRY_MS)
}

answerTabs(() => source !== null)

export async function logOut(): Promise<void> {
  await postJson('logout').catch(() => {})
  leave(false)
}

/** `hasEnded`: nobody asked for it, and nobody would notice but for what is said now. */
function leave(hasEnded: boolean): void {
  source?.close()
  source = null
  changedIn.clear()
  store.set({
    session: null,
    incidents: new Map(),
    people: new Map(),
    hasLoaded: false,
    selected: null,
    hooks: new Map(),
    health: null,
    hasEnded,
  })
}

function open(): void {
  source?.close()
  heardAt = Date.now()
  const opened = new EventSource(apiUrl('stream'))
  source = opened
  const on = <Data>(name: string, take: (data: Data) => void) =>
    opened.addEventListener(name, (event: MessageEvent<string>) => {
      if (source !== opened) return
      heardAt = Date.now()
      take(JSON.parse(event.data) as Data)
    })
  on<{ now: string }>('hello', ({ now }) => {
    store.set({ clockAhead: Date.parse(now) - Date.now() })
    void load()
  })
  on<IncidentNews>('incident', takeNews)
  on<PersonRow[]>('positions', takePositions)
  on<HooksNow>('hooks', ({ appId, hooks }) => {
    const { selected, storyVersion, incidents, hooks: known } = store.get()
    const isShown = selected?.appId === appId
    const shown = isShown && (incidents.get(selected.id) ?? { id: selected.id, updatedAt: '' })
    const isNews = shown && tellsOf(shown, known.get(appId), hooks)
    store.set({
      hooks: new Map(known).set(appId, hooks),
      ...(isNews ? { storyVersion: storyVersion + 1 } : {}),
    })
  })
  on<HealthNow>('health', (health) => {
    const { connection, trouble } = store.get()
    store.set({ health, healthAt: Date.now(), trouble: connection === 'live' ? '' : trouble })
  })
  opened.addEventListener('error', () => {
    if (source !== opened) return
    store.set({ connection: 'lost' })
    // A refusal ends it for good; anything else the browser tries again by itself.
    if (opened.readyState === EventSource.CLOSED)
      setTimeout(() => source === opened && void begin(), RETRY_MS)
  })
}

/** A connection that ends without a word looks open for minutes: silence is what tells. */
setInterval(() => {
  if (source === null || Date.now() - heardAt < SILENCE_MS) return
  store.set({ connection: 'lost' })
  void begin()
}, 2_000)

setInterval(() => {
  if (source)
    void postJson<SessionInfo>('renew')
      .then((session) => store.set({ session }))
      .catch(() => {})
}, 3_600_000)

/** Reads every list anew. What the stream told meanwhile is newer and stays. */
async function load(): Promise<void> {
  const { session } = store.get()
  if (session === null || session === 'unknown') return
  const before = changes
  try {
    const lists = await Promise.all(
      session.apps.map((appId) => getJson<{ incidents: IncidentRow[] }>(appPath(appId, 'incidents'))),
    )
    const incidents = new Map<string, IncidentRow>()
    for (const row of lists.flatMap(({ incidents: rows }) => rows)) incidents.set(row.id, row)
    for (const [id, change] of changedIn) {
      if (change <= before) {
        changedIn.delete(id)
        continue
      }
      const told = store.get().incidents.get(id)
      if (told) incidents.set(id, told)
      else incidents.delete(id)
    }
    store.set({
      incidents,
      hasLoaded: true,
      connection: 'live',
      trouble: '',
      storyVersion: store.get().storyVersion + 1,
    })
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return leave(true)
    store.set({ connection: 'lost', trouble: (error as Error).message })
    setTimeout(() => void load(), RETRY_MS)
    return
  }
  await readPeople()
}

function takeNews({ type, incident }: IncidentNews): void {
  const { incidents, selected, storyVersion } = store.get()
  const known = incidents.get(incident.id)
  if (known && known.version > incident.version) return
  changedIn.set(incident.id, ++changes)
  addToTrail(incident)
  const next = new Map(incidents)
  if (isOpen(incident)) next.set(incident.id, incident)
  else next.delete(incident.id)
  store.set({
    incidents: next,
    ...(selected?.id === incident.id ? { storyVersion: storyVersion + 1 } : {}),
    ...(known || !isOpen(incident) || incident.isDrill
      ? {}
      : { announcement: say('newSos', nameOf(incident)) }),
    ...(known && type !== 'processed'
      ? { announcement: `${nameOf(incident)}: ${say(incident.status)}` }
      : {}),
  })
}

/** What an operator's own click changed, before the stream tells. */
export const takeIncident = (incident: IncidentRow) => takeNews({ type: 'processed', incident })

function takePositions(rows: PersonRow[]): void {
  const people = new Map(store.get().people)
  let incidents: Map<string, IncidentRow> | null = null
  const byPerson = new Map<string, IncidentRow>()
  for (const incident of store.get().incidents.values())
    byPerson.set(personKey(incident.appId, incident.person.userId), incident)
  for (const row of rows) {
    const key = personKey(row.appId, row.person.userId)
    const before = people.get(key)
    people.delete(key) // the latest stand last
    people.set(key, { ...before, ...row, sessions: before?.sessions ?? 0 })
    const incident = byPerson.get(key)
    if (!incident || !row.place || isOlder(row.placeAt, incident.placeAt)) continue
    const { place, placeAt, deviceBattery, phoneBattery } = row
    const moved: IncidentRow = {
      ...incident,
      place,
      ...(placeAt === undefined ? {} : { placeAt }),
      ...(deviceBattery === undefined ? {} : { deviceBattery }),
      ...(phoneBattery === undefined ? {} : { phoneBattery }),
    }
    byPerson.set(key, moved)
    addToTrail(moved)
    incidents ??= new Map(store.get().incidents)
    incidents.set(incident.id, moved)
  }
  for (const key of people.keys()) {
    if (people.size <= PEOPLE_MAX) break
    people.delete(key)
  }
  store.set(incidents ? { people, incidents } : { people })
}

function isOlder(at: string | undefined, than: string | undefined): boolean {
  return at !== undefined && than !== undefined && Date.parse(at) < Date.parse(than)
}

/** Who was heard and is connected, by the lists. */
export async function readPeople(): Promise<void> {
  const { session } = store.get()
  if (session === null || session === 'unknown') return
  try {
    const all = await Promise.all(session.apps.map((appId) => getJson<AppTraffic>(appPath(appId, 'traffic'))))
    const rows = all.flatMap((one) => one.people).toSorted((a, b) => (a.receivedAt < b.receivedAt ? -1 : 1))
    store.set({ people: new Map(rows.map((row) => [personKey(row.appId, row.person.userId), row])) })
  } catch (error) {
    store.set({ trouble: (error as Error).message })
  }
}

const RETRY_MS = 2_000
const PEOPLE_MAX = 1_000
/** Three times the pause between two signs of life. */
const SILENCE_MS = 10_000
