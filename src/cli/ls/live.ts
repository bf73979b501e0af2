/** `ls` on a terminal: the tree, redrawn in place a few times a second while something changes. */
import type { ReadStream } from 'node:tty'
import { paintWith } from '../lib/paint.js'
import { Screen, type Terminal } from '../lib/screen.js'
import { type TopicOrder, TopicTree } from './topic-tree.js'
import { Scroll, treeRows, view } from './view.js'
import { type Watched, watch } from './watch.js'

/** What is shown, and how. */
export interface Live extends Watched {
  readonly color: boolean
}

/** A reader does not see more, and a slow terminal takes no more. */
const REDRAW_MS = 200
/** Rates go down although nothing comes. */
const IDLE_REDRAW_MS = 1_000
const ORDERS: readonly TopicOrder[] = ['name', 'rate', 'time']

/** Ends when the reader has seen enough. @throws Exit when there is no connection to begin with. */
export async function showLive(live: Live, input: ReadStream, output: Terminal): Promise<void> {
  const tree = new TopicTree(live.maximumTopics, performance.now())
  const scroll = new Scroll()
  const paint = paintWith(live.color)
  let order = live.order
  let trouble: string | undefined = `Connecting to ${live.server.name}.`
  let [drawnMs, drawnCount] = [0, -1]
  let end: (error?: unknown) => void = () => undefined
  const ended = new Promise<void>((resolve, reject) => {
    end = (error) => (error === undefined ? resolve() : reject(error))
  })

  const draw = () => {
    if (screen.isBusy) return
    const nowMs = performance.now()
    ;[drawnMs, drawnCount] = [nowMs, tree.messageCount + tree.cutMessageCount]
    const { columns, rows } = screen
    const { filters, maximumTopics } = live
    const frame = { columns, rows, server: live.server.name, filters, order, trouble, maximumTopics, paint }
    screen.draw(view(tree, frame, scroll, nowMs))
  }
  const screen = new Screen(input, output, {
    onKey: (key) => {
      if (key === 'q') return end()
      if (key === 's') order = ORDERS[(ORDERS.indexOf(order) + 1) % ORDERS.length] ?? 'name'
      else if (!scroll.press(key, treeRows(screen.rows))) return
      draw()
    },
    onResize: draw,
    onInterrupt: () => end(),
  })
  const told = (sentence: string | undefined) => {
    trouble = sentence
    draw()
  }
  screen.open()
  const watching = watch(live, tree, {
    onReady: () => told(undefined),
    onTrouble: told,
    onFailure: end,
  })
  const timer = setInterval(() => {
    const hasNews = tree.messageCount + tree.cutMessageCount !== drawnCount
    if (hasNews || performance.now() - drawnMs >= IDLE_REDRAW_MS) draw()
  }, REDRAW_MS)
  draw()
  try {
    await ended
  } finally {
    clearInterval(timer)
    watching.stop()
    screen.close()
  }
}
