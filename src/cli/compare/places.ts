/** Where each way is to be had, and which of them are there. */
import { EXIT_FAILURE, Exit } from '../lib/exit.js'
import type { Address } from './addresses.js'
import type { Certificate } from './certificate.js'
import { nextClientId, nextTopic, type Reachable } from './measures/site.js'
import { openPeer } from './peer.js'
import type { Collector } from './results.js'
import { ServerProcess } from './servers.js'
import { type Place, WAYS, type Way } from './ways.js'

/** Another broker; without either address our own is started. */
export interface Elsewhere {
  readonly mqtt: Address | undefined
  readonly ws: Address | undefined
}

/** The servers of one round. */
export class Places {
  readonly #bare: ServerProcess
  readonly #broker: ServerProcess | undefined
  readonly #elsewhere: Elsewhere

  private constructor(bare: ServerProcess, broker: ServerProcess | undefined, elsewhere: Elsewhere) {
    this.#bare = bare
    this.#broker = broker
    this.#elsewhere = elsewhere
  }

  /** @throws Exit where a server does not start. */
  static async open(certificate: Certificate, elsewhere: Elsewhere): Promise<Places> {
    const bare = await ServerProcess.start('bare', certificate)
    if (!isOurs(elsewhere)) return new Places(bare, undefined, elsewhere)
    try {
      return new Places(bare, await ServerProcess.start('broker', certificate), elsewhere)
    } catch (error) {
      bare.kill()
      throw error
    }
  }

  close(): void {
    this.#bare.kill()
    this.#broker?.kill()
  }

  /** The process behind a way, where it is ours. */
  server(way: Way): ServerProcess | undefined {
    return way.protocol === 'bare' ? this.#bare : this.#broker
  }

  /**
   * Which ways there are. What our own broker does not have is said.
   *
   * @throws Exit where another broker cannot be reached
   */
  async probe(collector: Collector): Promise<Reachable[]> {
    const reachable: Reachable[] = []
    for (const way of WAYS) {
      const place = this.#of(way)
      if (place === undefined) {
        collector.miss(way.name, whyNotThere(way, this.#elsewhere))
        continue
      }
      try {
        const topic = nextTopic(16)
        const peer = await openPeer({ way, place, topic, qos: 0, listens: true, clientId: nextClientId() })
        peer.end()
        reachable.push({ way, place })
      } catch (error) {
        if (this.#broker === undefined && way.protocol === 'mqtt') {
          const address = addressFor(way, this.#elsewhere)
          throw new Exit(EXIT_FAILURE, `${address?.text} cannot be used: ${reasonOf(error)}.`)
        }
        collector.miss(way.name, `our broker does not have it: ${reasonOf(error)}`)
      }
    }
    if (this.#broker === undefined) {
      const why = 'it is a process of somebody else; the bare WebSocket server is ours'
      collector.miss("the broker's CPU time and memory", why)
    }
    return reachable
  }

  #of(way: Way): Place | undefined {
    const own = this.server(way)
    if (own !== undefined) {
      const path = way.protocol === 'live' ? '/live' : '/mqtt'
      return { host: '127.0.0.1', port: way.tls ? own.ports.tls : own.ports.plain, tls: way.tls, path }
    }
    if (way.protocol !== 'mqtt') return undefined
    const address = addressFor(way, this.#elsewhere)
    return address?.place.tls === way.tls ? address.place : undefined
  }
}

/** Whether it is our own broker that is compared. */
export function isOurs({ mqtt, ws }: Elsewhere): boolean {
  return mqtt === undefined && ws === undefined
}

/** A failure in a few words. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}

function addressFor(way: Way, { mqtt, ws }: Elsewhere): Address | undefined {
  return way.carrier === 'stream' ? mqtt : ws
}

function whyNotThere(way: Way, elsewhere: Elsewhere): string {
  if (way.protocol !== 'mqtt') return 'it is our own broker that has it'
  const flag = way.carrier === 'stream' ? '--broker' : '--ws'
  const given = addressFor(way, elsewhere)
  if (given === undefined) return `${flag} names no address`
  return `${flag} names an address ${given.place.tls ? 'with' : 'without'} TLS`
}
