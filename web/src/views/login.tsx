/** Asks for what the broker wants to know before it lets anybody in. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Model } from '../model.js'

interface LoginProps {
  readonly model: Model
  /** What was wrong the last time. */
  readonly why: string
  readonly isTrying: boolean
}

export function Login({ model, why, isTrying }: LoginProps) {
  const [username, setUsername] = useState('')
  const [password, setPassword] = useState('')
  const first = useRef<HTMLInputElement>(null)
  useEffect(() => first.current?.focus(), [])
  const onSubmit = (event: Event) => {
    event.preventDefault()
    model.login({ username, password })
  }
  return (
    <main class="login">
      <form class="card" onSubmit={onSubmit} aria-labelledby="login-title">
        <h2 id="login-title">Log in</h2>
        <p class="hint">This broker asks its clients who they are.</p>
        {why !== '' && (
          <p class="outcome bad" role="alert">
            {why}
          </p>
        )}
        <label class="field">
          <span>User name</span>
          <input
            ref={first}
            name="username"
            autocomplete="username"
            required
            value={username}
            onInput={(event) => setUsername(event.currentTarget.value)}
          />
        </label>
        <label class="field">
          <span>Password</span>
          <input
            name="password"
            type="password"
            autocomplete="current-password"
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" disabled={isTrying}>
          Log in
        </button>
        {location.protocol === 'http:' && !isLocal() && (
          <p class="hint">This page is not encrypted: the password can be read on its way.</p>
        )}
      </form>
    </main>
  )
}

function isLocal(): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)
}
