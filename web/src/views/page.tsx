/** The frame of the page: header, tabs, and the part that is open. */
import { useEffect, useRef } from 'preact/hooks'
import { type Model, TABS, type Tab } from '../model.js'
import { useStore } from '../store.js'
import { Clients } from './clients.js'
import { Connection } from './connection.js'
import { Figures } from './figures.js'
import { Login } from './login.js'
import { Problems } from './problems.js'
import { Rates } from './rates.js'
import { Topics } from './topics.js'
import { Try } from './try.js'

const names: Readonly<Record<Tab, string>> = {
  topics: 'Topics',
  clients: 'Clients',
  rates: 'Rates',
  problems: 'Problems',
  try: 'Try it',
}

export function Page({ model }: { readonly model: Model }) {
  useStore(model)
  useStore(model.link)
  const { tab, link } = model
  if (link.state.at === 'login') {
    return (
      <div class="page">
        <Header model={model} />
        <Login model={model} why={link.state.why} isTrying={link.state.isTrying} />
      </div>
    )
  }
  return (
    <div class="page">
      <Header model={model} />
      <Figures model={model} />
      <Tabs model={model} />
      <main>
        <div class="panel" id={`panel-${tab}`} role="tabpanel" aria-labelledby={`tab-${tab}`}>
          {tab === 'topics' && <Topics model={model} />}
          {tab === 'clients' && <Clients status={model.status} />}
          {tab === 'rates' && <Rates status={model.status} />}
          {tab === 'problems' && <Problems status={model.status} />}
          {tab === 'try' && <Try trial={model.trial} />}
        </div>
      </main>
    </div>
  )
}

function Header({ model }: { readonly model: Model }) {
  return (
    <header class="header">
      <h1 class="brand">
        <svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true">
          <path d="M7 10h9v12h9" />
          <circle cx="7" cy="10" r="2.6" />
          <circle cx="25" cy="22" r="2.6" />
        </svg>
        topicwire
      </h1>
      <Broker model={model} />
      <Connection link={model.link} />
    </header>
  )
}

function Broker({ model }: { readonly model: Model }) {
  useStore(model.status)
  const { version, uptime } = model.status
  return (
    <p class="broker">
      <span class="broker-host">{location.host}</span>
      {version !== '' && <span>version {version.replace(/^topicwire (version )?/, '')}</span>}
      {uptime !== '' && <span class="wide">up {upFor(uptime)}</span>}
    </p>
  )
}

/** `93784 seconds` in two units. */
function upFor(uptime: string): string {
  const seconds = Number.parseInt(uptime, 10)
  if (!Number.isFinite(seconds)) return uptime
  const minutes = Math.floor(seconds / 60)
  if (minutes < 1) return `${seconds} s`
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** The tabs, of which one is in the order of the Tab key; arrows go to the others. */
function Tabs({ model }: { readonly model: Model }) {
  const list = useRef<HTMLDivElement>(null)
  const hasMoved = useRef(false)
  const { tab } = model
  useEffect(() => {
    if (hasMoved.current) list.current?.querySelector<HTMLElement>('[aria-selected="true"]')?.focus()
    hasMoved.current = false
  })
  const onKeyDown = (event: KeyboardEvent) => {
    const at = TABS.indexOf(tab)
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: TABS.length - 1 }[event.key]
    if (to === undefined) return
    event.preventDefault()
    hasMoved.current = true
    model.open(TABS[(to + TABS.length) % TABS.length] as Tab)
  }
  return (
    <div class="tabs" role="tablist" aria-label="Parts of the page" ref={list} onKeyDown={onKeyDown}>
      {TABS.map((name) => (
        <button
          key={name}
          type="button"
          role="tab"
          class="tab"
          id={`tab-${name}`}
          aria-selected={name === tab}
          aria-controls={`panel-${name}`}
          tabIndex={name === tab ? 0 : -1}
          onClick={() => model.open(name)}
        >
          {names[name]}
          {name === 'problems' && <ProblemCount model={model} />}
        </button>
      ))}
    </div>
  )
}

function ProblemCount({ model }: { readonly model: Model }) {
  useStore(model.status)
  const count = model.status.problems?.length ?? 0
  if (count === 0) return null
  return (
    <>
      {' '}
      <span class="badge">{count}</span>
    </>
  )
}
