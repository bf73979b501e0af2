/** The servers that are measured, each in a process of its own (server-child.ts). */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { EXIT_FAILURE, Exit } from '../lib/exit.js'
import type { Certificate } from './certificate.js'
import type { ChildSaid, ChildStart } from './server-child.js'

/** What a server has used so far. */
export interface Usage {
  /** User and system time of all its threads since it began, in microseconds. */
  readonly cpuMicros: number
  readonly residentBytes: number
}

const PROGRAM = fileURLToPath(new URL('./server-child.js', import.meta.url))
const PATIENCE_MS = 30_000

/** Those that run; whatever ends this process ends them (their channel to it closes), these calls only sooner. */
const running = new Set<ServerProcess>()
process.on('exit', () => {
  for (const server of running) server.kill()
})

export class ServerProcess {
  readonly #child: ChildProcess
  readonly #answers = new Map<number, { resolve(usage: Usage): void; reject(error: Error): void }>()
  #id = 0
  readonly ports: { readonly plain: number; readonly tls: number }

  private constructor(child: ChildProcess, ports: { readonly plain: number; readonly tls: number }) {
    this.#child = child
    this.ports = ports
    child.on('message', (said: ChildSaid) => {
      if (!('id' in said)) return
      this.#answers.get(said.id)?.resolve(said)
      this.#answers.delete(said.id)
    })
    running.add(this)
    child.once('exit', () => {
      running.delete(this)
      const ended = new Exit(EXIT_FAILURE, 'A server that was measured has ended.')
      for (const { reject } of this.#answers.values()) reject(ended)
    })
  }

  /**
   * @param flags of V8
   * @throws Exit where it does not start.
   */
  static async start(
    kind: ChildStart['kind'],
    certificate: Certificate,
    flags: readonly string[] = [],
  ): Promise<ServerProcess> {
    const child = fork(PROGRAM, [], {
      execArgv: ['--expose-gc', ...flags],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    const kill = () => child.kill('SIGKILL')
    process.once('exit', kill)
    try {
      const ports = await new Promise<{ plain: number; tls: number }>((resolve, reject) => {
        const impatience = setTimeout(() => reject(new Error('it does not answer')), PATIENCE_MS)
        child.once('message', (said: ChildSaid) => {
          clearTimeout(impatience)
          if ('ports' in said) resolve(said.ports)
          else reject(new Error('failure' in said ? said.failure : 'it says what nobody asked'))
        })
        child.once('exit', (code, signal) => {
          clearTimeout(impatience)
          reject(new Error(`it ended with ${code ?? signal}`))
        })
        child.send({ kind, certificate } satisfies ChildStart)
      })
      return new ServerProcess(child, ports)
    } catch (error) {
      child.kill('SIGKILL')
      throw new Exit(EXIT_FAILURE, `A server to measure could not be started: ${(error as Error).message}.`)
    } finally {
      process.off('exit', kill)
    }
  }

  /** `isTidy` collects garbage first. */
  usage(isTidy = false): Promise<Usage> {
    this.#id += 1
    const id = this.#id
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject })
      this.#child.send({ id, isTidy })
    })
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
