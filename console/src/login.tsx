import { useState } from 'preact/hooks'
import { ApiError, postJson } from './api.js'
import { enter } from './live.js'
import { store } from './state.js'
import { say } from './text.js'
import type { SessionInfo } from './wire.js'

export function Login({ children }: { children: preact.ComponentChildren }) {
  const [way, setWay] = useState<'app' | 'token'>('app')
  const [trouble, setTrouble] = useState('')
  const [isBusy, setBusy] = useState(false)
  const isSafe = globalThis.isSecureContext

  async function submit(event: SubmitEvent) {
    event.preventDefault()
    const given = new FormData(event.currentTarget as HTMLFormElement)
    const field = (name: string) => String(given.get(name) ?? '').trim()
    setBusy(true)
    try {
      const body =
        way === 'app'
          ? { appId: field('appId'), secret: field('secret'), ...(field('who') ? { who: field('who') } : {}) }
          : { token: field('token') }
      enter(await postJson<SessionInfo>('login', body))
    } catch (error) {
      const status = error instanceof ApiError ? error.status : 0
      setTrouble(
        say(status === 429 ? 'throttled' : status === 0 || status >= 500 ? 'noAnswer' : 'wrongLogin'),
      )
      setBusy(false)
    }
  }

  return (
    <main class="login">
      <form onSubmit={(event) => void submit(event)}>
        <h1>{say('title')}</h1>
        {children}
        {store.get().hasEnded && (
          <p role="alert" class="warning">
            {say('ended')}
          </p>
        )}
        {!isSafe && <p class="warning">{say('notEncrypted')}</p>}
        <fieldset>
          <legend>{say('login')}</legend>
          {(['app', 'token'] as const).map((name) => (
            <label key={name} class="choice">
              <input type="radio" name="way" checked={way === name} onChange={() => setWay(name)} />
              {say(name === 'app' ? 'byApp' : 'byToken')}
            </label>
          ))}
        </fieldset>
        {way === 'app' ? (
          <>
            <Field name="appId" label={say('appId')} autoComplete="username" />
            <Field name="secret" label={say('secret')} type="password" autoComplete="current-password" />
            <Field name="who" label={say('yourName')} isOptional />
          </>
        ) : (
          <Field name="token" label={say('token')} type="password" autoComplete="current-password" />
        )}
        <p role="alert" class="trouble">
          {trouble}
        </p>
        <button type="submit" class="main" disabled={isBusy}>
          {say('login')}
        </button>
      </form>
    </main>
  )
}

function Field(props: {
  name: string
  label: string
  type?: 'text' | 'password'
  autoComplete?: 'username' | 'current-password' | 'off'
  isOptional?: boolean
}) {
  const { name, label, type = 'text', autoComplete = 'off', isOptional = false } = props
  const common = { name, autocomplete: autoComplete, required: !isOptional, maxLength: 4096 }
  return (
    <label class="field">
      {label}
      {type === 'password' ? <input {...common} type="password" /> : <input {...common} type="text" />}
    </label>
  )
}
