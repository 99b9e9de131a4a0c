import { hooksInTrouble } from './hooks.js'
import { store } from './state.js'
import { useNow, useStore } from './store.js'
import { age, say } from './text.js'

/** One line about whether what is shown can be believed; red as soon as it cannot, amber when a partner is not told. */
export function HealthStrip() {
  const connection = useStore(store, (state) => state.connection)
  const health = useStore(store, (state) => state.health)
  const trouble = useStore(store, (state) => state.trouble)
  const hooks = useStore(store, (state) => state.hooks)
  const now = useNow(1_000)
  const { healthAt, clockAhead } = store.get()
  const troubled = hooksInTrouble(hooks, now + clockAhead)
  const isOld = health !== null && now - healthAt > OLD_MS
  const isBad =
    connection === 'lost' || isOld || trouble !== '' || (health !== null && health.status !== 'ready')
  return (
    <div class={isBad ? 'health bad' : troubled === '' ? 'health' : 'health warn'} role="status">
      <strong>{say(connection)}</strong>
      {isOld && <span>{say('healthOld', age(healthAt, now))}</span>}
      {health && connection !== 'lost' && !isOld && (
        <>
          <span>{say(health.status)}</span>
          <span aria-hidden="true">{say('store', health.storeMs)}</span>
          <span aria-hidden="true">{say('lag', health.lagMs)}</span>
          <span class="reasons" lang="en">
            {health.reasons.join(' · ')}
          </span>
        </>
      )}
      {troubled !== '' && <span>{say('hooksTroubled', troubled)}</span>}
      {trouble && <span lang="en">{trouble}</span>}
    </div>
  )
}

const OLD_MS = 10_000
