/**
 * What `topicwire ls` knows: each topic with its last value and its rate, as a tree of levels. It is bounded, because
 * whoever may publish can invent topics: when it is full, messages of further topics are only counted.
 */

/** The last message of a topic. */
export interface LastMessage {
  /** The beginning of the payload, already as text for a terminal. */
  readonly value: string
  readonly bytes: number
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly atMs: number
}

/** A level. It has a message when there is a topic that ends here. */
export interface TopicNode {
  readonly name: string
  readonly topic: string
  readonly children: Map<string, TopicNode>
  /** The children by name; undefined when one has come since. */
  sorted: TopicNode[] | undefined
  message: LastMessage | undefined
  /** Messages so far, retained ones from before included. */
  count: number
  /** Messages a second, as it was at `ratedAtMs`. */
  decayingRate: number
  ratedAtMs: number
}

/** How the levels below a level are sorted. */
export type TopicOrder = 'name' | 'rate' | 'time'

/** Older messages count for less and less: to a third in so long. */
const RATE_MEMORY_MS = 5_000
/** Deeper levels are shown as one, so that a topic of slashes does not make a thousand nodes. */
const MAXIMUM_DEPTH = 32
/** For names and values together. */
const MAXIMUM_BYTES = 64 * 1024 * 1024

export class TopicTree {
  readonly #root: TopicNode
  readonly #maximumTopics: number
  readonly #startedMs: number
  #topicCount = 0
  #messageCount = 0
  #uncountedBytes = MAXIMUM_BYTES
  #cutMessageCount = 0

  /** `nowMs` comes from a clock that never goes back, here and everywhere below. */
  constructor(maximumTopics: number, nowMs: number) {
    this.#maximumTopics = maximumTopics
    this.#startedMs = nowMs
    this.#root = emptyNode('', '', nowMs)
  }

  get topicCount(): number {
    return this.#topicCount
  }

  /** Messages of topics in the tree. */
  get messageCount(): number {
    return this.#messageCount
  }

  /** Messages of topics for which there was no room. */
  get cutMessageCount(): number {
    return this.#cutMessageCount
  }

  get root(): TopicNode {
    return this.#root
  }

  /** A message arrived. Those that were retained before we subscribed say nothing of a rate. */
  add(topic: string, message: LastMessage): void {
    const node = this.#find(topic, message.atMs)
    if (node === undefined) {
      this.#cutMessageCount += 1
      return
    }
    this.#uncountedBytes += 2 * ((node.message?.value.length ?? 0) - message.value.length)
    node.message = message
    node.count += 1
    this.#messageCount += 1
    if (!message.retain) {
      node.decayingRate = decayed(node, message.atMs) + 1_000 / RATE_MEMORY_MS
      node.ratedAtMs = message.atMs
    }
  }

  /** Messages a second at a level and below it. */
  rateOf(node: TopicNode, nowMs: number): number {
    let rate = 0
    for (const one of withinOf(node)) rate += decayed(one, nowMs)
    // What has been watched for a moment only has not had the time to add up.
    const watchedMs = Math.max(nowMs - this.#startedMs, 1)
    return rate / (1 - Math.exp(-watchedMs / RATE_MEMORY_MS))
  }

  /** Topics at a level and below it. */
  topicsWithin(node: TopicNode): number {
    let count = 0
    for (const one of withinOf(node)) if (one.message !== undefined) count += 1
    return count
  }

  /** The levels below a level, in an order. */
  childrenOf(node: TopicNode, order: TopicOrder, nowMs: number): TopicNode[] {
    node.sorted ??= [...node.children.values()].sort((a, b) => compareNames(a.name, b.name))
    if (order === 'name') return node.sorted
    const children = [...node.sorted]
    const weights = new Map(
      children.map((child) => [child, order === 'rate' ? this.rateOf(child, nowMs) : latestOf(child)]),
    )
    return children.sort((a, b) => (weights.get(b) ?? 0) - (weights.get(a) ?? 0))
  }

  /** Every level with its depth, parents first. */
  *walk(order: TopicOrder, nowMs: number, node = this.#root, depth = 0): Generator<[TopicNode, number]> {
    for (const child of this.childrenOf(node, order, nowMs)) {
      yield [child, depth]
      yield* this.walk(order, nowMs, child, depth + 1)
    }
  }

  /** The node of a topic, made if there is room. */
  #find(topic: string, nowMs: number): TopicNode | undefined {
    const levels = levelsOf(topic)
    let node: TopicNode | undefined = this.#root
    for (const level of levels) {
      node = node.children.get(level)
      if (node === undefined) break
    }
    if (node?.message !== undefined) return node
    const bytes = 4 * topic.length
    if (this.#topicCount >= this.#maximumTopics || bytes > this.#uncountedBytes) return undefined
    this.#topicCount += 1
    this.#uncountedBytes -= bytes
    return node ?? this.#make(levels, nowMs)
  }

  #make(levels: readonly string[], nowMs: number): TopicNode {
    let node = this.#root
    for (const [index, level] of levels.entries()) {
      let child = node.children.get(level)
      if (child === undefined) {
        child = emptyNode(level, levels.slice(0, index + 1).join('/'), nowMs)
        node.children.set(level, child)
        node.sorted = undefined
      }
      node = child
    }
    return node
  }
}

function emptyNode(name: string, topic: string, nowMs: number): TopicNode {
  return {
    name,
    topic,
    children: new Map(),
    sorted: undefined,
    message: undefined,
    count: 0,
    decayingRate: 0,
    ratedAtMs: nowMs,
  }
}

function levelsOf(topic: string): string[] {
  const levels = topic.split('/')
  if (levels.length <= MAXIMUM_DEPTH) return levels
  return [...levels.slice(0, MAXIMUM_DEPTH - 1), levels.slice(MAXIMUM_DEPTH - 1).join('/')]
}

function decayed({ decayingRate, ratedAtMs }: TopicNode, nowMs: number): number {
  return decayingRate * Math.exp((ratedAtMs - nowMs) / RATE_MEMORY_MS)
}

function latestOf(node: TopicNode): number {
  let latest = 0
  for (const { message } of withinOf(node)) latest = Math.max(latest, message?.atMs ?? 0)
  return latest
}

function* withinOf(node: TopicNode): Generator<TopicNode> {
  yield node
  for (const child of node.children.values()) yield* withinOf(child)
}

const collator = new Intl.Collator('en', { numeric: true })

/** `room2` before `room10`; names that only look the same still have an order. */
function compareNames(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0)
}
