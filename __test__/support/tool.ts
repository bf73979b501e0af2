/** Runs tools of the command line as a shell does: with standard input, in a pipe or on a terminal. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** A process that starts on a busy machine takes its time. */
const PATIENCE_MS = 60_000

/** The command as it is built. */
export const TOPICWIRE = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** How a tool ended. */
export interface ToolEnded {
  /** null when a signal ended it. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly error: string
}

/** A tool that runs; it is killed when the test is over. */
export class Tool {
  readonly child: ChildProcess
  readonly ended: Promise<ToolEnded>
  readonly #out: Buffer[] = []
  #error = ''
  #hasEnded = false

  constructor(program: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    this.child = spawn(program, args, {
      // Nothing of the machine's own configuration may leak in.
      env: { PATH: `${process.env.PATH}:/usr/sbin`, LC_ALL: 'C', ...environment },
      stdio: 'pipe',
    })
    this.child.stdout?.on('data', (chunk: Buffer) => this.#out.push(chunk))
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#error += text
    })
    // A tool that has ended takes no input.
    this.child.stdin?.on('error', () => {})
    this.ended = once(this.child, 'close').then(([exitCode, signal]) => ({
      exitCode,
      signal,
      out: this.out,
      error: this.error,
    }))
    void this.ended.then(() => {
      this.#hasEnded = true
    })
    onTestFinished(() => {
      this.child.kill('SIGKILL')
    })
  }

  /** Standard output so far, byte for byte. */
  get bytes(): Buffer {
    return Buffer.concat(this.#out)
  }

  get out(): string {
    return this.bytes.toString()
  }

  get error(): string {
    return this.#error
  }

  /** Gives it all of its standard input. */
  input(bytes: string | Uint8Array): this {
    this.child.stdin?.end(bytes)
    return this
  }

  /** Waits for output that fits, on either stream. */
  async shows(pattern: RegExp): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS
    while (!pattern.test(this.out) && !pattern.test(this.error)) {
      if (performance.now() > deadline || this.#hasEnded) {
        throw new Error(`${this.child.spawnargs.join(' ')} did not show ${pattern}: ${this.out}${this.error}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

/** `topicwire …` */
export function topicwire(args: readonly string[], environment?: NodeJS.ProcessEnv): Tool {
  return new Tool(process.execPath, [TOPICWIRE, ...args], environment)
}

/** A line of a shell, where `$topicwire` is the command. */
export function shell(line: string, environment: NodeJS.ProcessEnv = {}): Tool {
  return new Tool('bash', ['--norc', '-c', line], {
    topicwire: `${process.execPath} ${TOPICWIRE}`,
    ...environment,
  })
}
