/** The tools on a terminal whose window changes, and without colours: tmux is the terminal, and its screen is looked at. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import { startBroker } from '../interop/broker-under-test.js'
import { requirePeer } from '../support/peers.js'
import { TOPICWIRE } from '../support/tool.js'

const PATIENCE_MS = 60_000
const LIMIT = { timeout: 120_000 }

/** A window of tmux in which one command runs; it stays when the command has ended, and its line says how. */
class Window {
  readonly #tmux: string
  readonly #socket = `topicwire-${randomBytes(6).toString('hex')}`

  constructor(context: TestContext, args: readonly string[], environment: string, columns = 80, rows = 12) {
    this.#tmux = requirePeer('tmux', context)
    const words = [process.execPath, TOPICWIRE, ...args].map((word) => `'${word}'`)
    const line = `env ${environment} ${words.join(' ')}; echo "ended with $?"; sleep 600`
    this.#run('-f', '/dev/null', 'new-session', '-d', '-x', `${columns}`, '-y', `${rows}`, 'sh', '-c', line)
    onTestFinished(() => void this.#run('kill-server'))
  }

  /** The lines of the screen; with `-e` as the terminal was told to paint them. */
  screen(...flags: string[]): string[] {
    return this.#run('capture-pane', '-p', ...flags)
      .split('\n')
      .slice(0, -1)
  }

  resize(columns: number, rows: number): void {
    this.#run('resize-window', '-x', `${columns}`, '-y', `${rows}`)
  }

  press(...keys: string[]): void {
    this.#run('send-keys', ...keys)
  }

  async shows(pattern: RegExp): Promise<string[]> {
    const deadline = performance.now() + PATIENCE_MS
    for (;;) {
      const lines = this.screen()
      if (lines.some((line) => pattern.test(line))) return lines
      if (performance.now() > deadline) throw new Error(`no ${pattern} in:\n${lines.join('\n')}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  #run(...args: string[]): string {
    const env = { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', TERM: 'xterm-256color' }
    return execFileSync(this.#tmux, ['-u', '-L', this.#socket, ...args], { env, encoding: 'utf8' })
  }
}

describe('a terminal', () => {
  it('has the lines of the doctor broken by words, below each other', LIMIT, async (context) => {
    const { port, close } = await startBroker()
    onTestFinished(close)
    const window = new Window(context, ['doctor', '-p', `${port}`], '', 80, 80)
    const lines = await window.shows(/^ended with 0$/)
    const first = lines.findIndex((line) => line.includes('session that outlives its connection'))
    expect(lines.slice(first, first + 3)).toEqual([
      'ok    session that outlives its connection  a session outlives its connection',
      '                                            where a client asks for that (no',
      '                                            clean session, a fixed client id).',
    ])
  })

  it('that changes its size has a tree of that size, and is left as it was', LIMIT, async (context) => {
    const { broker, port, close } = await startBroker()
    onTestFinished(close)
    for (let number = 1; number <= 20; number += 1) {
      broker.publish(`t/${number}`, 'wörld 🙂'.repeat(30), { retain: true })
    }
    const window = new Window(context, ['ls', '-p', `${port}`], '')
    expect((await window.shows(/^lines 1-9 of 21 /))[0]).toMatch(/^localhost:\d+ {2}# {2}20 topics /)
    window.resize(40, 8)
    const small = await window.shows(/^lines 1-5 of 21 .*…$/)
    expect(small).toHaveLength(8)
    expect(small[2]).toMatch(/…/)
    window.resize(120, 30)
    const large = await window.shows(/^all 21 lines .* q end$/)
    expect(large).toHaveLength(30)
    // Nothing of the smaller screens is left between.
    expect(large.slice(1, 22).filter((line) => line.trim() !== '')).toHaveLength(21)
    expect(large.slice(22, 29).join('').trim()).toBe('')
    window.press('q')
    expect((await window.shows(/^ended with 0$/)).join('\n').trim()).toBe('ended with 0')
  })

  it.for([
    ['in colours', '', true],
    ['without any where NO_COLOR says so', 'NO_COLOR=1', false],
  ] as const)('shows the tree %s', LIMIT, async ([, environment, isColored], context) => {
    const { broker, port, close } = await startBroker()
    onTestFinished(close)
    broker.publish('a/b', 'x', { retain: true })
    const window = new Window(context, ['ls', '-p', `${port}`], environment)
    await window.shows(/^ {2}b {2}.* x/)
    expect(window.screen('-e').join('').includes('\x1b[')).toBe(isColored)
    window.press('C-c')
    await window.shows(/^ended with 0$/)
  })

  it('has one line that tells how far a comparison is, and then its table', LIMIT, async (context) => {
    const args = ['compare', '--quick', '--only', 'echo', '--rounds', '2']
    const window = new Window(context, args, '', 60, 30)
    for (const round of [1, 2]) {
      const lines = await window.shows(new RegExp(`^ *\\d+ %  round ${round} of 2: there and back, `))
      expect(lines.join('').trim()).toBe(lines[0]?.trim())
    }
    const lines = await window.shows(/^ended with 0$/)
    expect(lines.join('\n')).not.toContain('round 1')
    expect(lines.join('\n')).toMatch(/echo p50 ms[\s\S]*bare WebSocket +\d[\s\S]*ended with 0/)
  })
})
