/**
 * The topics that have been seen, as a tree: the last value of each and how often it comes. Bounded in topics and in
 * bytes, whatever is published. Which rows are shown is asked anew only when the shape has changed.
 */
import { type Payload, sizeOf } from './payload.js'
import { Store } from './store.js'

/** Topics that are kept; messages of further ones are counted. */
export const MOST_TOPICS = 20_000
/** Payloads that are kept whole, together; beyond, and of a larger one, only the beginning is. */
const MOST_PAYLOAD_BYTES = 32_000_000
const MOST_BYTES_OF_ONE = 256_000
const BEGINNING = 200
/** While there are so few, all branches are open. */
const FEW_TOPICS = 80
const MOST_ROWS_FOUND = 2_000
const FRESH_MS = 400

/** The last message of a topic. */
export interface TopicValue {
  readonly payload: Payload
  readonly bytes: number
  /** Only the beginning is kept. */
  readonly isCut: boolean
  readonly qos: number
  readonly retain: boolean
  readonly atMs: number
}

/** A message as it has come. */
export interface TopicMessage {
  readonly topic: string
  readonly payload: Payload
  readonly qos: number
  readonly retain: boolean
}

/** A level of the tree. */
export interface TopicNode {
  readonly id: number
  readonly name: string
  readonly path: string
  readonly depth: number
  readonly parent: TopicNode | undefined
  /** By name. */
  children: TopicNode[]
  isOpen: boolean
  value: TopicValue | undefined
  /** Topics here and below. */
  topics: number
  /** Messages here and below. */
  messages: number
  messagesBefore: number
  /** Messages a second here and below. */
  rate: number
  atMs: number
}

/** See the head of this file. */
export class TopicTree extends Store {
  #root = newNode(0, '', '', -1, undefined)
  #index = new Map<string, TopicNode>()
  #rows: TopicNode[] | undefined
  #lastId = 0
  #keptBytes = 0
  #found = ''
  #tickedMs = performance.now()
  /** Messages of topics that are not kept. */
  unkept = 0
  selected: TopicNode | undefined

  get topicCount(): number {
    return this.#root.topics
  }

  /** What is looked for in topic names; empty for the whole tree. */
  get found(): string {
    return this.#found
  }

  set found(text: string) {
    this.#found = text
    this.#rows = undefined
    this.changedByHand()
  }

  /** What is shown, in order. */
  get rows(): readonly TopicNode[] {
    this.#rows ??= this.#found === '' ? this.#openRows() : this.#foundRows(this.#found.toLowerCase())
    return this.#rows
  }

  node(path: string): TopicNode | undefined {
    return this.#index.get(path)
  }

  add({ topic, payload, qos, retain }: TopicMessage): void {
    const node = this.#index.get(topic) ?? this.#insert(topic)
    if (node === undefined) {
      this.unkept += 1
      this.changed()
      return
    }
    const now = Date.now()
    const bytes = sizeOf(payload)
    const before = node.value
    if (before === undefined) this.#countTopic(node)
    else this.#keptBytes -= before.isCut ? BEGINNING : before.bytes
    const isCut = bytes > MOST_BYTES_OF_ONE || this.#keptBytes + bytes > MOST_PAYLOAD_BYTES
    this.#keptBytes += isCut ? BEGINNING : bytes
    const kept = isCut && bytes > BEGINNING ? payload.slice(0, BEGINNING) : payload
    node.value = { payload: kept, bytes, isCut: kept !== payload, qos, retain, atMs: now }
    for (let at: TopicNode | undefined = node; at !== undefined; at = at.parent) {
      at.messages += 1
      // What was kept, and comes because somebody subscribes, is no traffic.
      if (retain) at.messagesBefore += 1
      at.atMs = now
    }
    this.changed()
  }

  /** Once a second: what came since the last time. */
  tick(): void {
    const now = performance.now()
    const seconds = (now - this.#tickedMs) / 1000
    if (seconds < 0.2) return
    this.#tickedMs = now
    for (const node of this.#index.values()) {
      const perSecond = (node.messages - node.messagesBefore) / seconds
      node.messagesBefore = node.messages
      node.rate = node.rate < 0.05 ? perSecond : node.rate * 0.6 + perSecond * 0.4
    }
    this.changed()
  }

  toggle(node: TopicNode, isOpen = !node.isOpen): void {
    node.isOpen = isOpen
    this.#rows = undefined
    this.changedByHand()
  }

  setAllOpen(isOpen: boolean): void {
    for (const node of this.#index.values()) node.isOpen = isOpen
    this.#rows = undefined
    this.changedByHand()
  }

  select(node: TopicNode | undefined): void {
    this.selected = node
    this.changedByHand()
  }

  clear(): void {
    this.#root = newNode(0, '', '', -1, undefined)
    this.#index = new Map()
    this.#rows = undefined
    this.#keptBytes = 0
    this.unkept = 0
    this.selected = undefined
    this.changedByHand()
  }

  isFresh(node: TopicNode): boolean {
    return Date.now() - node.atMs < FRESH_MS
  }

  #insert(topic: string): TopicNode | undefined {
    // Branches are nodes as well, and a topic may have many.
    if (this.#root.topics >= MOST_TOPICS || this.#index.size >= 3 * MOST_TOPICS) return undefined
    let node = this.#root
    let path = ''
    for (const [depth, name] of topic.split('/').entries()) {
      path = depth === 0 ? name : `${path}/${name}`
      let next = this.#index.get(path)
      if (next === undefined) {
        this.#lastId += 1
        next = newNode(this.#lastId, name, path, depth, node === this.#root ? undefined : node)
        next.isOpen = this.#root.topics < FEW_TOPICS
        node.children.splice(placeOf(node.children, name), 0, next)
        this.#index.set(path, next)
      }
      node = next
    }
    this.#rows = undefined
    return node
  }

  #countTopic(node: TopicNode): void {
    this.#root.topics += 1
    for (let at: TopicNode | undefined = node; at !== undefined; at = at.parent) at.topics += 1
  }

  #openRows(): TopicNode[] {
    const rows: TopicNode[] = []
    const visit = (nodes: readonly TopicNode[]): void => {
      for (const node of nodes) {
        rows.push(node)
        if (node.isOpen && node.children.length > 0) visit(node.children)
      }
    }
    visit(this.#root.children)
    return rows
  }

  #foundRows(text: string): TopicNode[] {
    const rows: TopicNode[] = []
    for (const node of this.#index.values()) {
      if (node.value === undefined || !node.path.toLowerCase().includes(text)) continue
      rows.push(node)
      if (rows.length >= MOST_ROWS_FOUND) break
    }
    return rows.sort((one, other) => (one.path < other.path ? -1 : 1))
  }
}

function newNode(
  id: number,
  name: string,
  path: string,
  depth: number,
  parent: TopicNode | undefined,
): TopicNode {
  return {
    id,
    name,
    path,
    depth,
    parent,
    children: [],
    isOpen: true,
    value: undefined,
    topics: 0,
    messages: 0,
    messagesBefore: 0,
    rate: 0,
    atMs: 0,
  }
}

/** Where a name belongs among its sorted siblings. */
function placeOf(siblings: readonly TopicNode[], name: string): number {
  let from = 0
  let to = siblings.length
  while (from < to) {
    const middle = (from + to) >> 1
    if ((siblings[middle] as TopicNode).name < name) from = middle + 1
    else to = middle
  }
  return from
}
