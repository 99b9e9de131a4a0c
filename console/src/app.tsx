import { useState } from 'preact/hooks'
import { allowSound, ringing, silence } from './alarm.js'
import { Detail } from './detail.js'
import { HealthStrip } from './health.js'
import { IncidentList } from './incident-list.js'
import { logOut } from './live.js'
import { Login } from './login.js'
import { MapPane } from './map.js'
import { People } from './people.js'
import { Reception } from './reception.js'
import { countReal, store } from './state.js'
import type { View } from './state.js'
import { useStore } from './store.js'
import { currentLanguage, NAMES, say, setLanguage } from './text.js'
import type { Language } from './text.js'

const VIEWS: View[] = ['incidents', 'people', 'reception']

export function App() {
  const [, speak] = useState(currentLanguage())
  const session = useStore(store, (state) => state.session)
  const change = (language: Language) => {
    setLanguage(language)
    speak(language)
  }
  const language = (
    <label class="language">
      <span class="hidden">{say('language')}</span>
      <select value={currentLanguage()} onChange={(event) => change(event.currentTarget.value as Language)}>
        {Object.entries(NAMES).map(([code, name]) => (
          <option key={code} value={code}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
  if (session === 'unknown') return <main class="login">{say('loading')}</main>
  if (session === null) return <Login>{language}</Login>
  return (
    <div class="page" key={currentLanguage()}>
      <Header by={session.by}>{language}</Header>
      <Columns />
      <HealthStrip />
      <Announcer />
    </div>
  )
}

function Header({ by, children }: { by: string; children: preact.ComponentChildren }) {
  const view = useStore(store, (state) => state.view)
  const open = useStore(store, (state) => countReal(state.incidents))
  const count = useStore(store, ringing)
  const isSoundBlocked = useStore(store, (state) => state.isSoundBlocked)
  return (
    <header>
      <h1>
        {say('title')} <span class={count > 0 ? 'badge hot' : 'badge'}>{open}</span>
      </h1>
      <nav aria-label={say('views')}>
        {VIEWS.map((name) => (
          <button
            key={name}
            type="button"
            aria-current={view === name ? 'page' : undefined}
            onClick={() => store.set({ view: name, selected: null })}
          >
            {say(name)}
          </button>
        ))}
      </nav>
      {count > 0 && (
        <button type="button" class="silence" onClick={silence}>
          {say('silence')} ({count})
        </button>
      )}
      {isSoundBlocked && count > 0 && (
        <button type="button" class="sound" onClick={() => void allowSound()}>
          {say('soundBlocked')}
        </button>
      )}
      <span class="who">{by}</span>
      {children}
      <button type="button" onClick={() => void logOut()}>
        {say('logout')}
      </button>
    </header>
  )
}

function Columns() {
  const view = useStore(store, (state) => state.view)
  const selected = useStore(store, (state) => state.selected)
  return (
    <main class={selected ? 'columns has-detail' : 'columns'}>
      <section class="left" aria-label={say(view)}>
        {view === 'incidents' ? <IncidentList /> : view === 'people' ? <People /> : <Reception />}
      </section>
      <div class="right">
        <MapPane />
        {selected ? <Detail key={selected.id} {...selected} /> : <p class="hint">{say('nothingSelected')}</p>}
      </div>
    </main>
  )
}

function Announcer() {
  const announcement = useStore(store, (state) => state.announcement)
  return (
    <div class="hidden" role="alert" aria-live="assertive">
      {announcement}
    </div>
  )
}
