/** The tree as lines for a screen of some size. What comes from peers has been escaped before or is escaped here. */
import type { Paint } from '../lib/paint.js'
import { cutTo, escapeText } from '../lib/plain-text.js'
import type { TopicNode, TopicOrder, TopicTree } from './topic-tree.js'

/** What is around the tree. */
export interface Frame {
  readonly columns: number
  readonly rows: number
  readonly server: string
  readonly filters: readonly string[]
  readonly order: TopicOrder
  /** What is wrong with the connection, or undefined. */
  readonly trouble: string | undefined
  readonly maximumTopics: number
  readonly paint: Paint
}

const RATE_COLUMNS = 10
const INDENT = 2
/** Lines that are not the tree's: one above, two below. */
const FRAME_ROWS = 3
const KEYS = '↑ ↓ PgUp PgDn Home End scroll   s sort   q end'

/** Where the reader is in the tree. */
export class Scroll {
  #top = 0

  /** The first row that is shown, with `total` rows in `height`. */
  topOf(total: number, height: number): number {
    this.#top = Math.max(0, Math.min(this.#top, total - height))
    return this.#top
  }

  /** Moves by the key's meaning; false for a key that means nothing. */
  press(key: string, height: number): boolean {
    const steps: Readonly<Record<string, number>> = {
      up: -1,
      k: -1,
      down: 1,
      j: 1,
      pageup: -height,
      pagedown: height,
      space: height,
      home: Number.NEGATIVE_INFINITY,
      g: Number.NEGATIVE_INFINITY,
      end: Number.MAX_SAFE_INTEGER,
      G: Number.MAX_SAFE_INTEGER,
    }
    const step = Object.hasOwn(steps, key) ? steps[key] : undefined
    if (step === undefined) return false
    this.#top = Math.max(0, this.#top + step)
    return true
  }
}

/** Rows of the tree on such a screen. */
export function treeRows(rows: number): number {
  return Math.max(1, rows - FRAME_ROWS)
}

/** All lines of the screen. */
export function view(tree: TopicTree, frame: Frame, scroll: Scroll, nowMs: number): string[] {
  const { columns, paint } = frame
  const height = treeRows(frame.rows)
  const rows = [...tree.walk(frame.order, nowMs)]
  const top = scroll.topOf(rows.length, height)
  const shown = rows.slice(top, top + height).map(([node, depth]) => row(tree, node, depth, frame, nowMs))
  while (shown.length < height) shown.push('')
  return [
    paint.bold(cutTo(headline(tree, frame, nowMs), columns)),
    ...shown,
    note(tree, frame),
    paint.dim(cutTo(`${place(top, height, rows.length)}   ${KEYS}`, columns)),
  ]
}

/** `12.3/s`, `1234/s`; nothing for nothing. */
export function rateText(rate: number): string {
  if (rate < 0.005) return ''
  return `${rate >= 100 ? rate.toFixed(0) : rate.toFixed(rate >= 10 ? 1 : 2)}/s`
}

function headline(tree: TopicTree, { server, filters }: Frame, nowMs: number): string {
  const rate = rateText(tree.rateOf(tree.root, nowMs)) || '0/s'
  const what = filters.map(escapeText).join(' ')
  return `${server}  ${what}  ${counted(tree.topicCount, 'topic')}  ${counted(tree.messageCount, 'message')}  ${rate}`
}

function row(tree: TopicTree, node: TopicNode, depth: number, frame: Frame, nowMs: number): string {
  const { columns, paint } = frame
  const isLeaf = node.children.size === 0
  const nameColumns = Math.max(12, Math.min(Math.floor(columns * 0.4), 48))
  const valueColumns = Math.max(0, columns - nameColumns - RATE_COLUMNS - 2)
  // An empty level is a level too: a topic may begin with a slash.
  const name = `${' '.repeat(INDENT * depth)}${escapeText(node.name)}${isLeaf ? '' : '/'}`
  const within = isLeaf
    ? ''
    : paint.dim(cutTo(`(${counted(tree.topicsWithin(node), 'topic')})`, valueColumns, true))
  const value = node.message === undefined ? within : cutTo(valueText(node), valueColumns, true)
  const shownName = cutTo(name, nameColumns, true)
  const rate = rateText(tree.rateOf(node, nowMs)).padStart(RATE_COLUMNS)
  return `${isLeaf ? shownName : paint.cyan(shownName)} ${value} ${paint.dim(rate)}`
}

function valueText({ message }: TopicNode): string {
  if (message === undefined) return ''
  return message.bytes === 0 ? '(empty)' : message.value
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function note(tree: TopicTree, { trouble, columns, maximumTopics, paint }: Frame): string {
  if (trouble !== undefined) return paint.red(cutTo(trouble, columns))
  if (tree.cutMessageCount === 0) return ''
  const text = `Full: ${tree.cutMessageCount} messages of further topics are not shown (--max-topics ${maximumTopics}).`
  return paint.red(cutTo(text, columns))
}

function place(top: number, height: number, total: number): string {
  if (total === 0) return 'nothing yet'
  return total <= height
    ? `all ${total} lines`
    : `lines ${top + 1}-${Math.min(top + height, total)} of ${total}`
}
