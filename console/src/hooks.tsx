import { useEffect, useState } from 'preact/hooks'
import { appPath, getJson } from './api.js'
import { RedeliverDialog } from './redeliver-dialog.js'
import { plain, store } from './state.js'
import { useStore } from './store.js'
import { age, clock, say } from './text.js'
import type { DeadLetterRow, HookRow } from './wire.js'

/** Whether somebody has to look after a web hook: it has failed for long, or the partner never got something. */
export function hasTrouble(hook: HookRow, now: number): boolean {
  const since = behindSince(hook)
  return hook.deadLetters > 0 || (since !== null && now - Date.parse(since) > LONG_MS)
}

function stateWord({ state, deadLetters }: HookRow) {
  if (state === 'delivering') return deadLetters > 0 ? 'hookGaveUp' : 'hookDelivers'
  return state === 'starting' ? 'hookStarting' : 'hookFails'
}

/** Since when the oldest event waits that is not delivered. */
function behindSince({ held, waitingSince }: HookRow): string | null {
  return (
    [...held.map(({ since }) => since), ...(waitingSince === null ? [] : [waitingSince])].toSorted()[0] ??
    null
  )
}

/** The app's web hooks: what each has got, what it has not, and why. */
export function WebHooks({ appId, now }: { appId: string; now: number }) {
  const hooks = useStore(store, (state) => state.hooks.get(appId))
  if (!hooks || hooks.length === 0) return null
  return (
    <>
      <h3>{say('hooks')}</h3>
      {hooks.map((hook) => (
        <WebHook key={hook.id} appId={appId} hook={hook} now={now} />
      ))}
    </>
  )
}

function WebHook({ appId, hook, now }: { appId: string; hook: HookRow; now: number }) {
  const { id, target, deliveredAt, failure, held, waiting, waitingSince } = hook
  const failingSince = held[0]?.since
  const lines = [
    deliveredAt === null ? say('hookNothingYet') : say('hookDelivered', age(deliveredAt, now)),
    ...(waiting > 0 && waitingSince !== null
      ? [
          `${say('hookBehind', waiting >= COUNTED_MAX ? `${COUNTED_MAX}+` : waiting)} (${age(waitingSince, now)})`,
        ]
      : []),
    ...(failingSince === undefined
      ? []
      : [`${say('hookFailing', age(failingSince, now))}, ${say('hookHeld', held.length)}`]),
    ...(failure === null ? [] : [`${say('hookReason', failure.reason)} (${clock(failure.at)})`]),
    ...(hook.gapAt === null ? [] : [say('hookGap', clock(hook.gapAt))]),
  ]
  return (
    <section
      class={hasTrouble(hook, now) ? 'webhook troubled' : 'webhook'}
      aria-label={`${say('hook')} ${id}`}
    >
      <p>
        <strong>{id}</strong> {target} · <strong class="state">{say(stateWord(hook))}</strong>
      </p>
      <ul>
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      {hook.deadLetters > 0 && <DeadLetters appId={appId} hook={hook} now={now} />}
    </section>
  )
}

function DeadLetters({ appId, hook, now }: { appId: string; hook: HookRow; now: number }) {
  const { id, deadLetters: count, deadLettersDropped: dropped } = hook
  const [newest, setNewest] = useState<DeadLetterRow[]>([])
  /** An event id, or all of them. */
  const [again, setAgain] = useState<{ eventId?: string } | null>(null)
  useEffect(() => {
    let isGone = false
    const path = appPath(appId, `webhooks/${encodeURIComponent(id)}/dead-letters`)
    getJson<{ deadLetters: DeadLetterRow[] }>(path).then(
      ({ deadLetters }) => isGone || setNewest(deadLetters),
      (error: Error) => store.set({ trouble: error.message }),
    )
    return () => void (isGone = true)
  }, [appId, id, count, dropped])
  return (
    <>
      <p>
        <strong>{say('deadLetters', count)}</strong>
        {dropped > 0 && ` · ${say('deadDropped', dropped)}`}{' '}
        <button type="button" onClick={() => setAgain({})}>
          {say('sendAllAgain')}
        </button>
      </p>
      <ul>
        {newest.map((letter) => (
          <li key={letter.eventId}>
            {plain(letter.externalUserId)} · {say(STORY_WORDS[letter.type])} ·{' '}
            <time dateTime={letter.happenedAt}>{clock(letter.happenedAt)}</time> · {letter.reason} ·{' '}
            {say('attempts', letter.attempts)} · {say('gaveUpAgo', age(letter.at, now))}{' '}
            <button type="button" onClick={() => setAgain({ eventId: letter.eventId })}>
              {say('sendAgain')}
            </button>
          </li>
        ))}
      </ul>
      {again && <RedeliverDialog appId={appId} hookId={id} {...again} onDone={() => setAgain(null)} />}
    </>
  )
}

/** For the strip: which web hooks somebody has to look after; '' when none. */
export function hooksInTrouble(all: ReadonlyMap<string, HookRow[]>, now: number): string {
  return [...all]
    .flatMap(([appId, hooks]) =>
      hooks.filter((hook) => hasTrouble(hook, now)).map(({ id }) => `${appId}/${id}`),
    )
    .join(', ')
}

export const STORY_WORDS = {
  processed: 'storyProcessed',
  acknowledged: 'storyAcknowledged',
  cancelled: 'storyCancelled',
  resolved: 'storyResolved',
  'cancel-heard': 'storyCancelHeard',
} as const

/** A receiver that is restarted is away for less. */
const LONG_MS = 60_000
/** The broker counts no further. */
const COUNTED_MAX = 1_000
