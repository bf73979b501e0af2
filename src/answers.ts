/**
 * Answers of hooks that answer at once, on their way to the core: many in one native call.
 *
 * The core asks about several messages of one connection together where its hooks have answered at once so far. Each
 * question must nevertheless be asked in its turn: when the one before it has been answered, and with nothing but its
 * message between them. So a question that was asked ahead is in its turn only right behind an answer that is collected
 * here; where a hook took its time, or used the broker meanwhile, those behind it are void, and the core asks again.
 */
import type { AnyConnection } from './connection.js'
import type { NativeBroker } from './native.js'

/** Words of one answer; `crates/napi/src/broker.rs` has the same. */
const WORDS = 3
/** As many as the core asks together, and some: there is rarely more. */
const USUAL_COUNT = 512
const NONE = -1

/** See the head of this file. */
export class Answers {
  #words = new Uint32Array(USUAL_COUNT * WORDS)
  readonly #connections: AnyConnection[] = []
  /** Whose hooks are being asked, or were last. */
  #asking: AnyConnection | undefined

  get isEmpty(): boolean {
    return this.#connections.length === 0
  }

  /** Whether a question is in its turn, which is then about to be put to its hooks. */
  begin(connection: AnyConnection, token: number, isAhead: boolean): boolean {
    if (isAhead && connection.nextToken !== token) return false
    connection.nextToken = token
    this.#asking = connection
    return true
  }

  /**
   * Takes the answer to the question that was begun last, a number as `NativeBroker.decide` has it. False where the core
   * has been used since: then the answer has to be given alone, and what was asked behind it is void.
   */
  add(connection: AnyConnection, token: number, answer: number): boolean {
    if (connection.nextToken !== token) return false
    const at = this.#connections.length * WORDS
    if (at === this.#words.length) this.#grow()
    this.#words[at] = connection.id
    this.#words[at + 1] = token
    this.#words[at + 2] = answer
    this.#connections.push(connection)
    connection.nextToken = (token + 1) >>> 0
    return true
  }

  /** The core is about to be used. */
  interrupt(): void {
    if (this.#asking !== undefined) this.#asking.nextToken = NONE
    this.#asking = undefined
  }

  /** Gives them to the core. `follow` hears for each connection whether it is held now. Returns status bits. */
  give(
    native: NativeBroker,
    now: number,
    follow: (connection: AnyConnection, isHeld: boolean) => void,
  ): number {
    const connections = this.#connections.splice(0)
    for (const connection of connections) connection.nextToken = NONE
    const status = native.decideMany(this.#words, connections.length, now)
    let last: AnyConnection | undefined
    for (let index = 0; index < connections.length; index += 1) {
      const connection = connections[index] as AnyConnection
      if (connection === last) continue
      last = connection
      follow(connection, this.#words[index * WORDS + 2] === 1)
    }
    return status
  }

  #grow(): void {
    const words = new Uint32Array(this.#words.length * 2)
    words.set(this.#words)
    this.#words = words
  }
}
