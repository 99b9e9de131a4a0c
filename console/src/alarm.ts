import { countReal, store } from './state.js'
import type { State } from './state.js'
import { say } from './text.js'

/**
 * The alarm sounds while an SOS is open that nobody has acknowledged and that is no drill, unless somebody here has said
 * that he hears it; then it sounds again when a new one comes, and after five minutes without an acknowledgement.
 */
export const alarm = new Audio('./alarm.wav')
alarm.loop = true
alarm.id = 'alarm'

// Whether it can be heard is what the element itself says.
alarm.addEventListener('playing', () => (alarm.dataset.sounding = ''))
alarm.addEventListener('pause', () => delete alarm.dataset.sounding)

let flash = 0

export function ringing({ incidents, silenced }: Pick<State, 'incidents' | 'silenced'>): number {
  let count = 0
  for (const { id, status, isDrill } of incidents.values())
    if (status === 'active' && !isDrill && Date.now() - (silenced.get(id) ?? 0) > SILENCE_MS) count++
  return count
}

export function silence(): void {
  const silenced = new Map<string, number>()
  for (const { id, status } of store.get().incidents.values())
    if (status === 'active') silenced.set(id, Date.now())
  store.set({ silenced })
}

/** Called at a click, which is what a browser wants to see before it lets a page make a sound. */
export async function allowSound(): Promise<void> {
  store.set({ isSoundBlocked: false })
  await sound()
}

export function startAlarm(): void {
  document.body.append(alarm)
  store.subscribe(() => void sound())
  setInterval(() => {
    flash++
    void sound()
  }, 1_000)
}

async function sound(): Promise<void> {
  const state = store.get()
  const isIn = state.session !== null && state.session !== 'unknown'
  const count = isIn ? ringing(state) : 0
  const open = countReal(state.incidents)
  const lost = isIn && state.connection === 'lost' ? '⚠ ' : ''
  const calm = `${lost}${open > 0 ? `(${open}) ` : ''}${say('title')}`
  const inside = count > 0 && flash % 2 === 0 ? `🔴 SOS ${count} – ${say('title')}` : calm
  const title = state.session === null ? `⚠ ${say('login')}` : inside
  if (document.title !== title) document.title = title
  if (count === 0) {
    if (!alarm.paused) alarm.pause()
  } else if (alarm.paused && !state.isSoundBlocked) {
    try {
      await alarm.play()
    } catch (error) {
      if ((error as DOMException).name === 'NotAllowedError') store.set({ isSoundBlocked: true })
    }
  }
}

const SILENCE_MS = 300_000
