/** The connections that the core knows, by their numbers, and those of them whose transports are gone. */
import type { AnyConnection } from './connection.js'

/** See the head of this file. */
export class CoreConnections {
  readonly #connections: (AnyConnection | undefined)[] = []
  readonly #gone: AnyConnection[] = []
  #openCount = 0

  /** How many there are, gone or not. */
  get openCount(): number {
    return this.#openCount
  }

  /** With holes between them. */
  get all(): readonly (AnyConnection | undefined)[] {
    return this.#connections
  }

  at(id: number): AnyConnection | undefined {
    return this.#connections[id]
  }

  add(connection: AnyConnection): void {
    this.#connections[connection.id] = connection
    this.#openCount += 1
  }

  /** Its transport is gone. Its number stays its own until it is forgotten. */
  lose(connection: AnyConnection): void {
    this.#gone.push(connection)
  }

  /** Those that were lost since the last call. */
  takeGone(): AnyConnection[] {
    return this.#gone.splice(0)
  }

  /** All has been told of it. */
  forget(connection: AnyConnection): void {
    this.#openCount -= 1
    // A handler may have opened a connection that was given the same number.
    if (this.#connections[connection.id] === connection) this.#connections[connection.id] = undefined
  }

  /** Some are not open any more, and nothing will be told of them: the core is gone. */
  discount(count: number): void {
    this.#openCount -= count
  }
}
