/**
 * Programs as users write and run them: in a directory of their own, where `topicwire` is installed as any package
 * is. Used for the programs in examples/ and for the blocks of the documentation.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project, which is the package under test. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** What the examples and the documentation call the port; a test puts a free one in its place. */
export function withPort(text: string, port: number): string {
  return text.replaceAll('1883', String(port))
}

/** A process, and what it has written so far. */
export class Program {
  readonly #child: ChildProcess
  readonly #ended: Promise<number | null>
  readonly #news = new Set<() => void>()
  #stdout = ''
  #stderr = ''
  #hasEnded = false

  constructor(command: string, args: readonly string[], cwd: string, environment: NodeJS.ProcessEnv = {}) {
    // a group of its own: `npm start` has children, and they are to end with it
    this.#child = spawn(command, args, {
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      for (const wake of this.#news) wake()
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
    })
    this.#ended = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.#stderr += String(error)
        resolve(null)
      })
      this.#child.on('close', resolve)
    }).then((code) => {
      this.#hasEnded = true
      for (const wake of this.#news) wake()
      return code as number | null
    })
  }

  get stdout(): string {
    return this.#stdout
  }

  /** Both streams, one after the other. */
  get output(): string {
    return `${this.#stdout}\n${this.#stderr}`
  }

  /** Resolves when `fits` says yes to the output; rejects when the program ends without that, or after `timeoutMs`. */
  async waitFor(fits: (stdout: string) => boolean, what: string, timeoutMs = 10_000): Promise<void> {
    const deadline = performance.now() + timeoutMs
    while (!fits(this.#stdout)) {
      const left = deadline - performance.now()
      if (this.#hasEnded) throw this.#failure(`ended without ${what}`)
      if (left <= 0) throw this.#failure(`showed no ${what} in ${timeoutMs} ms`)
      await this.#nextNews(left)
    }
  }

  waitForText(text: string, timeoutMs?: number): Promise<void> {
    return this.waitFor((stdout) => stdout.includes(text), `«${text}»`, timeoutMs)
  }

  /** Resolves when the program has ended by itself with exit code 0. */
  succeeds(timeoutMs?: number): Promise<void> {
    return this.ends(0, timeoutMs)
  }

  /** Resolves when the program has ended by itself with that exit code. */
  async ends(exitCode: number, timeoutMs = 45_000): Promise<void> {
    await this.waitFor(() => this.#hasEnded, 'end', timeoutMs)
    const code = await this.#ended
    if (code !== exitCode) throw this.#failure(`ended with ${code}`)
  }

  /** Sends a signal to the program and what it has started. */
  signal(signal: NodeJS.Signals): void {
    if (this.#hasEnded || this.#child.pid === undefined) return
    try {
      process.kill(-this.#child.pid, signal)
    } catch {
      // it has ended in this moment
    }
  }

  /** The exit code; null when a signal ended it. */
  ended(): Promise<number | null> {
    return this.#ended
  }

  async stop(): Promise<void> {
    this.signal('SIGTERM')
    const impatience = setTimeout(() => this.signal('SIGKILL'), 3_000)
    await this.#ended
    clearTimeout(impatience)
  }

  /** Resolves when there is more output, when the program ends, or after `timeoutMs`. */
  #nextNews(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        this.#news.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, timeoutMs)
      this.#news.add(wake)
    })
  }

  #failure(what: string): Error {
    return new Error(
      `${this.#child.spawnargs.join(' ')} ${what}\n--- stdout\n${this.#stdout}--- stderr\n${this.#stderr}`,
    )
  }
}

/** A directory outside the project in which programs find `topicwire`, and MQTT.js as its companion. */
export class Workshop {
  readonly directory: string
  readonly #programs: Program[] = []

  private constructor(directory: string) {
    this.directory = directory
  }

  static async open(): Promise<Workshop> {
    const directory = await mkdtemp(join(tmpdir(), 'topicwire-'))
    await mkdir(join(directory, 'node_modules'))
    await symlink(ROOT, join(directory, 'node_modules/topicwire'), 'dir')
    for (const name of ['mqtt', 'zod']) {
      await symlink(join(ROOT, 'node_modules', name), join(directory, 'node_modules', name), 'dir')
    }
    await mkdir(join(directory, 'node_modules/.bin'))
    const command = `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, 'dist/cli/main.js')}' "$@"\n`
    await writeFile(join(directory, 'node_modules/.bin/topicwire'), command, { mode: 0o755 })
    return new Workshop(directory)
  }

  /** Writes a file and gives its path. */
  async write(name: string, text: string): Promise<string> {
    const path = join(this.directory, name)
    await writeFile(path, text)
    return path
  }

  start(
    command: string,
    args: readonly string[],
    cwd = this.directory,
    environment: NodeJS.ProcessEnv = {},
  ): Program {
    const program = new Program(command, args, cwd, environment)
    this.#programs.push(program)
    return program
  }

  /** Ends what still runs and removes the directory. */
  async close(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop()))
    await rm(this.directory, { recursive: true })
  }
}
