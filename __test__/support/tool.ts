/** Runs tools of the command line as a shell does: with standard input, in a pipe or on a terminal. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { until } from './until.js'

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
    await until(
      () => pattern.test(this.out) || pattern.test(this.error),
      `output like ${pattern} of ${this.child.spawnargs.join(' ')} (${this.out}${this.error})`,
    )
  }
}

/** `topicwire …` */
export function topicwire(args: readonly string[], environment?: NodeJS.ProcessEnv): Tool {
  return new Tool(process.execPath, [TOPICWIRE, ...args], environment)
}

/** A line of a shell, where `$topicwire` is the command. */
export function shell(line: string, environment: NodeJS.ProcessEnv = {}): Tool {
  return new Tool('bash', ['-c', line], { topicwire: `${process.execPath} ${TOPICWIRE}`, ...environment })
}
