/** Runs the real command, as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** How a command ended. */
export interface Ended {
  /** null when a signal ended it. */
  readonly exitCode: number | null
  readonly out: string
  readonly error: string
}

/** A command that runs; it is killed when the test is over. */
export class RunningCommand {
  readonly child: ChildProcess
  out = ''
  error = ''
  readonly ended: Promise<Ended>

  /** `prefix` is a command that is followed by the one to run, such as `nice`. */
  constructor(
    args: readonly string[],
    environment: NodeJS.ProcessEnv = {},
    prefix: readonly string[] = [],
  ) {
    const [file = '', ...rest] = [...prefix, process.execPath, program, ...args]
    this.child = spawn(file, rest, {
      // Nothing of the machine's own configuration may leak in.
      env: { PATH: process.env.PATH, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out += text
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.error += text
    })
    this.ended = once(this.child, 'close').then(([exitCode]) => ({
      exitCode,
      out: this.out,
      error: this.error,
    }))
    onTestFinished(() => {
      this.child.kill('SIGKILL')
    })
  }

  /** Resolves when standard output or standard error has something that fits; rejects when the command ends first. */
  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    const both = [this.child.stdout, this.child.stderr]
    for (;;) {
      const found = pattern.exec(this.out) ?? pattern.exec(this.error)
      if (found !== null) return found
      const data = Promise.race(both.map((stream) => stream && once(stream, 'data')))
      const over = await Promise.race([data.then(() => false), this.ended.then(() => true)])
      if (over && !pattern.test(this.out + this.error)) {
        throw new Error(`the command ended without ${pattern}:\n${this.out}${this.error}`)
      }
    }
  }

  /** The port of the banner's first URL. */
  async port(): Promise<number> {
    return Number((await this.waitFor(/^mqtt:\/\/[^:]+:(\d+)$/m))[1])
  }

  /** The log so far: standard error's lines, which are JSON in a pipe. */
  log(): Record<string, unknown>[] {
    const lines = this.error.split('\n').filter((line) => line.startsWith('{'))
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  }
}

/** Runs a command that is expected to end by itself. */
export function runCommand(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Ended> {
  return new RunningCommand(args, environment).ended
}
