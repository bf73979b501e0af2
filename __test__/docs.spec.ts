/**
 * The documentation does what it says: every fenced block of README.md and docs/ is run against a broker, section by
 * section, and its output is compared with the `text` block that follows it.
 *
 * Ports: 1883 stands for the broker's and 1999 for another free one. Words of an info string: `background` (runs until
 * the end of its section; what follows waits until it is up), `terminal` (on a pseudo terminal), `browser` (JavaScript
 * for a page), `file=` (the block is that file, literally), `exit=` (the exit code, where it is not 0). Blocks that are
 * not run are those of `NOT_RUN`, each with its reason.
 */
import { once } from 'node:events'
import { cp, readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BrokerUnderTest, certificateForLocalhost, startBroker } from './interop/broker-under-test.js'
import { type Block, parseMarkdown, type Section } from './interop/markdown.js'
import { BrowserUnderTest } from './interop/peers/chromium.js'
import { type Program, ROOT, Workshop, withPort } from './interop/programs.js'
import { freePort } from './support/free-port.js'
import { findPeer, type PeerName, requirePeer } from './support/peers.js'

/** Blocks of these languages are not programs. */
const NOT_PROGRAMS: ReadonlyMap<string, string> = new Map([
  ['text', 'shows an output, a file or a drawing'],
  ['rust', 'shows how the crates look from within; their own examples are run by cargo test'],
  ['toml', 'quotes a configuration of another program'],
  ['json', 'shows data'],
])

/** Programs that are not run, by what they begin with or contain. */
const NOT_RUN: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  {
    pattern: /^(npm install|npm ci|git clone|sudo|apt-get)\b/,
    reason: 'installs something from the network',
  },
  { pattern: /^python3 -m venv\b/, reason: 'installs something from the network' },
  { pattern: /^npm (test|run (check|peers|build))\b/, reason: 'runs, or builds, this very test' },
  {
    pattern: /^(npm run (bench|fuzz|soak)|cargo (bench|run|test))\b/,
    reason: 'takes minutes and a quiet machine',
  },
  {
    pattern: /^(mkdir .*\n)?(topicwire|node dist\/cli\/main\.js) compare (?!--quick --only)/,
    reason: 'takes minutes; docs/tools.md has one that does not',
  },
  {
    pattern: /^python3 -m http\.server\b/,
    reason: 'the pages it serves are opened by the blocks that show them',
  },
]

/** `npm start` compiles first where something has changed. */
const START_TIMEOUT_MS = 30_000

const STARTS_A_BROKER = /\bnpm start\b|Broker\.start\(\{\s*port/

const files = ['README.md', ...(await readdir(join(ROOT, 'docs'))).map((name) => `docs/${name}`)]
const documents = await Promise.all(
  files
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map(async (name) => ({ name, ...parseMarkdown(await readFile(join(ROOT, name), 'utf8')) })),
)

let browser: BrowserUnderTest | undefined
beforeAll(async () => {
  if (findPeer('chromium') !== undefined) browser = await BrowserUnderTest.launch()
})
afterAll(() => browser?.close())

describe.each(documents)('$name', ({ name, sections, links }) => {
  const running = sections
    .map((section) => ({ ...section, blocks: section.blocks.filter(isRun) }))
    .filter(({ blocks }) => blocks.length > 0)
    .flatMap((section) => {
      const generations = section.blocks.some(isPython) ? (['paho2', 'paho1'] as const) : [undefined]
      return generations.map((python) => ({ section, python, title: titleOf(section, python) }))
    })

  test.for(running)('$title', { timeout: 120_000 }, async ({ section, python }, context) => {
    for (const peer of neededBy(section, python)) requirePeer(peer, context)
    await runSection(section, python)
  })

  test('every link leads somewhere', async () => {
    for (const link of links.filter((target) => !/^[a-z]+:/.test(target))) {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? name : join(dirname(name), path)
      await expect(stat(join(ROOT, target)), `${link} in ${name}`).resolves.toBeDefined()
      if (anchor === undefined) continue
      const { anchors } = parseMarkdown(await readFile(join(ROOT, target), 'utf8'))
      expect([...anchors], `${link} in ${name}`).toContain(anchor)
    }
  })
})

test('a block that shows a file shows all of it', async () => {
  for (const { name, sections } of documents) {
    for (const { text, line, values } of sections.flatMap(({ blocks }) => blocks)) {
      const path = values.get('file')
      if (path === undefined) continue
      expect(`${text}\n`, `${name}:${line}`).toBe(await readFile(join(ROOT, path), 'utf8'))
    }
  }
})

test('JavaScript blocks use what there is, with the types of the package', async () => {
  const workshop = await Workshop.open()
  try {
    for (const { name, sections } of documents) {
      for (const { language, words, text, line } of sections.flatMap(({ blocks }) => blocks)) {
        if (language !== 'js' || words.has('browser')) continue
        await workshop.write(`${name.replace(/\W/g, '-')}-line-${line}.mjs`, text)
      }
    }
    const settings = {
      compilerOptions: {
        allowJs: true,
        checkJs: true,
        noEmit: true,
        module: 'nodenext',
        target: 'es2023',
        lib: ['es2023', 'esnext.disposable'],
        types: ['node'],
        typeRoots: [join(ROOT, 'node_modules/@types')],
        skipLibCheck: true,
      },
      include: ['*.mjs'],
    }
    await workshop.write('tsconfig.json', JSON.stringify(settings))
    await workshop.start('node', [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.']).succeeds(60_000)
  } finally {
    await workshop.close()
  }
}, 60_000)

function isRun({ language, text }: Block): boolean {
  return !NOT_PROGRAMS.has(language) && !NOT_RUN.some(({ pattern }) => pattern.test(text))
}

function isPython({ language, text }: Block): boolean {
  return language === 'python' || (language === 'sh' && /\bpython3\b/.test(text))
}

function titleOf({ title, blocks }: Section, python: string | undefined): string {
  const lines = blocks.map(({ line }) => line).join(', ')
  return `${title}: the block${blocks.length === 1 ? '' : 's'} at line ${lines}${python ? ` with ${python}` : ''}`
}

function neededBy({ blocks }: Section, python: PeerName | undefined): PeerName[] {
  const needed = new Set<PeerName>(python === undefined ? [] : [python])
  for (const { language, words, text } of blocks) {
    if (language === 'html' || words.has('browser')) needed.add('chromium')
    if (language === 'sh' && /\bmosquitto_(pub|sub)\b/.test(text)) needed.add('mosquitto-clients')
  }
  return [...needed]
}

/** Runs the blocks of a section in order, those in the background side by side, and compares what they show. */
async function runSection({ blocks }: Section, python: 'paho1' | 'paho2' | undefined): Promise<void> {
  const run = await SectionRun.open(python, !blocks.some(({ text }) => STARTS_A_BROKER.test(text)))
  try {
    const shown: (() => Promise<void>)[] = []
    for (const block of blocks) shown.push(await run.start(block))
    for (const verify of shown) await verify()
  } finally {
    await run.close()
  }
}

/** One broker, or a port for the one that the section starts, and a directory with the examples and a certificate. */
class SectionRun {
  readonly #workshop: Workshop
  readonly #broker: BrokerUnderTest | undefined
  readonly #ports: { readonly main: number; readonly other: number }
  readonly #python: 'paho1' | 'paho2' | undefined

  private constructor(
    workshop: Workshop,
    broker: BrokerUnderTest | undefined,
    ports: { main: number; other: number },
    python: 'paho1' | 'paho2' | undefined,
  ) {
    this.#workshop = workshop
    this.#broker = broker
    this.#ports = ports
    this.#python = python
  }

  static async open(python: 'paho1' | 'paho2' | undefined, withBroker: boolean): Promise<SectionRun> {
    const [main, other] = [await freePort('localhost'), await freePort('localhost')]
    const broker = withBroker ? await startBroker({ host: 'localhost', port: main }) : undefined
    const run = new SectionRun(await Workshop.open(), broker, { main, other }, python)
    await run.#copyExamples()
    const { cert, key } = await certificateForLocalhost()
    await run.#workshop.write('cert.pem', cert)
    await run.#workshop.write('key.pem', key)
    return run
  }

  /** Starts a block and resolves when the next may start. The answer checks what it has shown by the end. */
  async start(block: Block): Promise<() => Promise<void>> {
    const expected = block.expected === undefined ? [] : this.#linesOf(block.expected)
    if (block.language === 'html' || block.words.has('browser')) return this.#openPage(block, expected)
    const subscribed = this.#broker === undefined ? undefined : once(this.#broker.broker, 'subscribe')
    const program = await this.#launch(block)
    if (!block.words.has('background')) {
      await program.ends(Number(block.values.get('exit') ?? 0))
      return async () => expect(linesOf(program.output)).toEqual(expect.arrayContaining(expected))
    }
    const isUp = [
      program.waitFor((output) => showsFirst(output, expected), 'sign of life', START_TIMEOUT_MS),
      subscribed,
    ]
    await Promise.race(isUp.filter((sign) => sign !== undefined))
    return () =>
      program.waitFor((output) => showsInOrder(output, expected), `output:\n${expected.join('\n')}`)
  }

  async close(): Promise<void> {
    await this.#workshop.close()
    await this.#broker?.close()
  }

  async #launch(block: Block): Promise<Program> {
    const text = this.#withPorts(block.text)
    // the addon is up to date since the tests began; `npm start` need not look again
    const environment = {
      NO_COLOR: '1',
      TOPICWIRE_PORT: String(this.#ports.main),
      // several run at once, and one of them in the checkout
      TOPICWIRE_STORE__DURABILITY: 'memory',
      TOPICWIRE_SKIP_NATIVE: '1',
    }
    switch (block.language) {
      case 'js': {
        const path = await this.#workshop.write(`line-${block.line}.mjs`, text)
        return this.#workshop.start('node', [path])
      }
      case 'python': {
        const path = await this.#workshop.write(`line-${block.line}.py`, this.#forGeneration(text))
        return this.#workshop.start(this.#interpreter(), ['-u', path])
      }
      case 'yaml': {
        const path = await this.#workshop.write(`line-${block.line}.yaml`, text)
        return this.#workshop.start('node', [join(ROOT, 'dist/cli/main.js'), '-c', path, '--test-config'])
      }
      case 'sh': {
        const commands = join(this.#workshop.directory, 'node_modules/.bin')
        const path = `${commands}:${dirname(this.#interpreter())}:${process.env.PATH}`
        const command = ['bash', '-euo', 'pipefail', '-c', text]
        const terminal = ['script', '--quiet', '--return', '--command', text, '/dev/null']
        const [program = '', ...args] = block.words.has('terminal') ? terminal : command
        const directory = text.startsWith('npm ') ? ROOT : this.#workshop.directory
        return this.#workshop.start(program, args, directory, { ...environment, PATH: path })
      }
      default:
        throw new Error(
          `line ${block.line}: nobody knows how to run «${block.language}»; NOT_PROGRAMS lists exceptions`,
        )
    }
  }

  /** What a page shows, or writes to its console. */
  async #openPage(block: Block, expected: readonly string[]): Promise<() => Promise<void>> {
    if (browser === undefined) throw new Error('there is no browser')
    const text = this.#withPorts(block.text)
    const logged: string[] = []
    const page = await browser.open('<!doctype html><title>a page</title>', 'localhost')
    page.on('console', (message) => logged.push(message.text()))
    const html = block.language === 'html' ? text : `<!doctype html><body><script>${text}</script>`
    // a page that is replaced in place keeps its address, and so its origin
    await page.setContent(html)
    const seen = async (): Promise<string> =>
      // biome-ignore lint/performance/useDomNodeTextContent: textContent would have the source of the script in it
      `${await page.locator('body').innerText()}\n${logged.join('\n')}`
    const [first = ''] = expected
    await expect.poll(seen, { timeout: 10_000 }).toContain(first)
    return async () => {
      await expect.poll(async () => showsInOrder(await seen(), expected), { timeout: 10_000 }).toBe(true)
      await page.close()
    }
  }

  /** The two differences between the generations that the guide names, and no other. */
  #forGeneration(text: string): string {
    if (this.#python !== 'paho1') return text
    if (!text.includes('hasattr(mqtt,')) {
      return text
        .replaceAll('mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)', 'mqtt.Client()')
        .replaceAll('connected: Success', 'connected: 0')
    }
    return text.replaceAll('connected: Success', 'connected: 0')
  }

  #interpreter(): string {
    return findPeer(this.#python ?? 'python3') ?? 'python3'
  }

  #withPorts(text: string): string {
    return withPort(text, this.#ports.main).replaceAll('1999', String(this.#ports.other))
  }

  #linesOf(expected: string): string[] {
    return linesOf(this.#forGeneration(this.#withPorts(expected)))
  }

  async #copyExamples(): Promise<void> {
    const target = join(this.#workshop.directory, 'examples')
    await cp(join(ROOT, 'examples'), target, { recursive: true })
    for (const name of await readdir(target, { recursive: true })) {
      if (!/\.(py|html|mjs)$/.test(name)) continue
      const text = await readFile(join(target, name), 'utf8')
      await this.#workshop.write(join('examples', name), this.#withPorts(text))
    }
  }
}

/** Lines that say something, with single spaces: a longer port moves the columns of a table. */
function linesOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim().replace(/\s+/g, ' '))
    .filter((line) => line !== '')
}

function showsFirst(output: string, [first]: readonly string[]): boolean {
  return first !== undefined && linesOf(output).includes(first)
}

function showsInOrder(output: string, expected: readonly string[]): boolean {
  const lines = linesOf(output)
  let from = 0
  return expected.every((line) => {
    const at = lines.indexOf(line, from)
    from = at + 1
    return at !== -1
  })
}
