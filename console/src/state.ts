import { createStore } from './store.js'
import type { HealthNow, HookRow, IncidentRow, Person, PersonRow, SessionInfo } from './wire.js'

export type View = 'incidents' | 'people' | 'reception'

export interface State {
  /** 'unknown' until the broker has said. */
  session: SessionInfo | null | 'unknown'
  connection: 'connecting' | 'live' | 'lost'
  /** Why what was last asked for did not come; '' when it did. */
  trouble: string
  /** Open incidents by id. */
  incidents: ReadonlyMap<string, IncidentRow>
  hasLoaded: boolean
  /** People by app and user. */
  people: ReadonlyMap<string, PersonRow>
  /** Web hooks by app. */
  hooks: ReadonlyMap<string, HookRow[]>
  health: HealthNow | null
  healthAt: number
  /** Milliseconds that the broker's clock is ahead of this one. */
  clockAhead: number
  view: View
  /** The incident that is shown. */
  selected: { appId: string; id: string } | null
  /** Grows when the story of this incident may have changed. */
  storyVersion: number
  /** What the map is to show. */
  focus: { latitude: number; longitude: number } | null
  /** Said to screen readers. */
  announcement: string
  /** Incidents whose alarm somebody here has heard, and when. */
  silenced: ReadonlyMap<string, number>
  /** The browser lets no sound out before somebody has clicked. */
  isSoundBlocked: boolean
  /** The session was over before anybody logged out. */
  hasEnded: boolean
}

export const store = createStore<State>({
  session: 'unknown',
  connection: 'connecting',
  trouble: '',
  incidents: new Map(),
  hasLoaded: false,
  people: new Map(),
  hooks: new Map(),
  health: null,
  healthAt: 0,
  clockAhead: 0,
  view: 'incidents',
  selected: null,
  storyVersion: 0,
  focus: null,
  announcement: '',
  silenced: new Map(),
  isSoundBlocked: false,
  hasEnded: false,
})

export const personKey = (appId: string, userId: string) => `${appId} ${userId}`

export const isOpen = ({ status }: Pick<IncidentRow, 'status'>) =>
  status === 'active' || status === 'acknowledged'

/** Open SOS of people: a drill is none. */
export function countReal(incidents: ReadonlyMap<string, IncidentRow>): number {
  let count = 0
  for (const { isDrill } of incidents.values()) if (!isDrill) count++
  return count
}

/** Those that nobody has acknowledged first, then the newest; drills stand last. */
export function inOrder(incidents: Iterable<IncidentRow>): IncidentRow[] {
  return [...incidents].toSorted(
    (a, b) =>
      Number(a.isDrill ?? false) - Number(b.isDrill ?? false) ||
      Number(b.status === 'active') - Number(a.status === 'active') ||
      (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : a.id < b.id ? -1 : 1),
  )
}

export const nameOf = ({ person, unattributed }: IncidentRow) =>
  unattributed ? plain(unattributed.name ?? unattributed.sender) : personName(person)

export const personName = ({ name, externalUserId }: Person) => plain(name ?? externalUserId)

/** Without what turns the direction of text: what somebody calls himself must not rewrite the words beside it. */
export const plain = (text: string) => text.replace(/[\u202a-\u202e\u2066-\u2069]/g, '')
