/** Everything behind the page, and who gets which message. */
import { type Handler, Link, type Login } from './link.js'
import { Status } from './status.js'
import { Store } from './store.js'
import { TopicTree } from './topics.js'
import { Trial } from './trial.js'

/** The parts of the page. */
export const TABS = ['topics', 'clients', 'rates', 'problems', 'try'] as const
export type Tab = (typeof TABS)[number]

const SYS_FILTER = '$SYS/#'
const STATUS_FILTER = '$SYS/topicwire/#'

/** See the head of this file. */
export class Model extends Store {
  readonly link = new Link()
  readonly status = new Status()
  readonly topics = new TopicTree()
  readonly trial = new Trial(this.link)
  tab: Tab = tabOf(location.hash)
  /** What the tree is made of. */
  filter = '#'
  filterProblem: string | undefined
  isPaused = false
  showsSys = false
  readonly #toTree: Handler = (message) => this.topics.add(message)
  readonly #toStatus: Handler = ({ topic, payload }) => {
    this.status.take(topic, payload, this.link.roundTripMs)
  }

  constructor() {
    super()
    setInterval(() => this.topics.tick(), 1_000)
    addEventListener('hashchange', () => {
      this.tab = tabOf(location.hash)
      this.changedByHand()
    })
    let wasConnected = false
    this.link.listen(() => {
      const isConnected = this.link.state.at === 'connected'
      if (isConnected && !wasConnected) void this.#wantAll()
      wasConnected = isConnected
    })
    this.link.open()
  }

  login(login: Login): void {
    this.link.open(login)
  }

  open(tab: Tab): void {
    this.tab = tab
    history.replaceState(undefined, '', `#${tab}`)
    this.changedByHand()
  }

  async setFilter(filter: string): Promise<void> {
    this.link.unsubscribe(this.filter, this.#toTree).catch(() => {})
    this.filter = filter
    this.topics.clear()
    await this.#wantTopics()
  }

  async setPaused(isPaused: boolean): Promise<void> {
    this.isPaused = isPaused
    this.changedByHand()
    await this.#wantTopics()
  }

  async setShowsSys(showsSys: boolean): Promise<void> {
    this.showsSys = showsSys
    this.changedByHand()
    await this.#wantTopics()
  }

  async #wantAll(): Promise<void> {
    for (const filter of ['$SYS/broker/version', '$SYS/broker/uptime']) {
      this.link.subscribe(filter, 0, this.#toStatus).catch(() => {})
    }
    await this.#wantTopics()
    try {
      await this.link.subscribe(STATUS_FILTER, 0, this.#toStatus)
      this.status.refusal = undefined
    } catch (error) {
      this.status.refusal = sentenceOf(error)
    }
    this.status.changedByHand()
  }

  async #wantTopics(): Promise<void> {
    this.filterProblem = undefined
    try {
      await this.#setWanted(this.filter, !this.isPaused)
      await this.#setWanted(SYS_FILTER, !this.isPaused && this.showsSys)
    } catch (error) {
      this.filterProblem = `${this.filter}: ${sentenceOf(error)}`
    }
    this.changedByHand()
  }

  async #setWanted(filter: string, isWanted: boolean): Promise<void> {
    if (isWanted) await this.link.subscribe(filter, 0, this.#toTree)
    else await this.link.unsubscribe(filter, this.#toTree)
  }
}

function tabOf(hash: string): Tab {
  return TABS.find((tab) => `#${tab}` === hash) ?? 'topics'
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
