/** `ls` in a pipe: collects for a while, then prints a line a topic, or one JSON document. */
import { EXIT_FAILURE, Exit } from '../lib/exit.js'
import { untilInterrupted } from '../lib/interrupt.js'
import type { Io } from '../lib/io.js'
import { escapeText } from '../lib/plain-text.js'
import { type TopicNode, TopicTree } from './topic-tree.js'
import { type Watched, watch } from './watch.js'

/** What is to be listed, and how. */
export interface Listing extends Watched {
  /** From when the subscription stands. */
  readonly forSecs: number
  readonly isJson: boolean
}

/** @throws Exit when there is no connection, or it is lost meanwhile. */
export async function listTopics(listing: Listing, io: Io): Promise<void> {
  const tree = new TopicTree(listing.maximumTopics, performance.now())
  const interrupt = untilInterrupted()
  let readyMs: number | undefined
  let timer: NodeJS.Timeout | undefined
  let watching: { stop(): void } | undefined
  try {
    await Promise.race([
      interrupt.promise,
      new Promise<void>((resolve, reject) => {
        watching = watch(listing, tree, {
          onReady: () => {
            readyMs = performance.now()
            timer = setTimeout(resolve, listing.forSecs * 1_000)
          },
          onTrouble: (sentence) => reject(new Exit(EXIT_FAILURE, sentence)),
          onFailure: reject,
        })
      }),
    ])
  } finally {
    clearTimeout(timer)
    interrupt.dispose()
    watching?.stop()
  }
  if (readyMs === undefined) return
  const elapsedSecs = Math.max((performance.now() - readyMs) / 1_000, 0.001)
  io.out(listing.isJson ? asJson(tree, listing, elapsedSecs) : asLines(tree, listing, elapsedSecs))
  if (!listing.isJson && tree.cutMessageCount > 0)
    io.error(
      `topicwire: ${tree.cutMessageCount} messages of further topics were left out (--max-topics ${listing.maximumTopics}).\n`,
    )
}

function asLines(tree: TopicTree, { order }: Listing, elapsedSecs: number): string {
  const lines = topicsOf(tree, order).map(
    ({ topic, count, message }) =>
      `${escapeText(topic)}\t${count}\t${(count / elapsedSecs).toFixed(2)}\t${message?.value ?? ''}\n`,
  )
  return lines.join('')
}

/** Values are given as the tree has them: the beginning of the payload, with escapes. */
function asJson(tree: TopicTree, { order, server, filters }: Listing, elapsedSecs: number): string {
  const nowMs = performance.now()
  const topics = topicsOf(tree, order).map(({ topic, count, message }) => ({
    topic,
    count,
    ratePerSec: Number((count / elapsedSecs).toFixed(3)),
    value: message?.value,
    bytes: message?.bytes,
    qos: message?.qos,
    retain: message?.retain,
    ageMs: Math.round(nowMs - (message?.atMs ?? nowMs)),
  }))
  const summary = { server: server.name, filters, elapsedSecs: Number(elapsedSecs.toFixed(3)) }
  const { messageCount, cutMessageCount } = tree
  return `${JSON.stringify({ ...summary, messageCount, cutMessageCount, topics })}\n`
}

function topicsOf(tree: TopicTree, order: Listing['order']): TopicNode[] {
  return [...tree.walk(order, performance.now())]
    .map(([node]) => node)
    .filter(({ message }) => message !== undefined)
}
