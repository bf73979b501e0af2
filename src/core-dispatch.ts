/**
 * Events out, answers in. A question is an event, and what its hook says at once goes back before anything else is told
 * to the core; whoever waits for an answer is not read meanwhile.
 */
import { Answers } from './answers.js'
import type { AnyConnection } from './connection.js'
import { CoreEvents } from './core-events.js'
import { EventReader } from './events.js'
import type { NativeBroker } from './native.js'

/** What the core's driver does for this. */
export interface DispatchHost {
  now(): number
  /** Sees to it that what a status asks for is done. */
  schedule(status: number): void
  /** Adds those who have come: events tell of them. */
  collectArrivals(): void
  /** One event is at the front of the reader, and must be read to its end. */
  onEvent(kind: number, reader: EventReader): void
}

/** See the head of this file. */
export class CoreDispatch {
  readonly #native: NativeBroker
  readonly #host: DispatchHost
  readonly #events: CoreEvents
  readonly #answers = new Answers()
  /** Connections that began or ceased to wait for an answer since the last dispatch. */
  readonly #unsettled = new Set<AnyConnection>()
  #isDispatching = false
  #hasMoreQuestions = false

  constructor(native: NativeBroker, host: DispatchHost) {
    this.#native = native
    this.#host = host
    this.#events = new CoreEvents(native)
  }

  /** A connection waits for an answer, or does not. Questions are put now, as far as their hooks answer now. */
  readonly follow = (connection: AnyConnection, isHeld: boolean): void => {
    const changed = isHeld || connection.isHeld
    connection.isHeld = isHeld
    if (!changed) return
    this.#unsettled.add(connection)
    if (isHeld) this.#hasMoreQuestions = true
    if (!this.#isDispatching) this.run()
  }

  /** A question about a message is about to be put to its hooks. False where it is void: then it comes again. */
  beginQuestion(connection: AnyConnection, token: number, isAhead: boolean): boolean {
    return this.#answers.begin(connection, token, isAhead)
  }

  /** Keeps an answer, to be given with others. False where it has to be given by itself. */
  keepAnswer(connection: AnyConnection, token: number, answer: number): boolean {
    return this.#answers.add(connection, token, answer)
  }

  /** Whatever the core is told comes after the answers to what it has asked before. */
  giveAnswers(): void {
    this.#answers.interrupt()
    if (this.#answers.isEmpty) return
    this.#host.schedule(this.#answers.give(this.#native, this.#host.now(), this.follow))
  }

  /**
   * Hands all events so far to the listener, and goes on as long as answers lead to further questions. Other events
   * that this causes come in the next turn.
   */
  run(): void {
    this.#isDispatching = true
    try {
      this.#host.collectArrivals()
      do {
        this.#hasMoreQuestions = false
        const bytes = this.#events.take()
        if (bytes === undefined) break
        const reader = new EventReader(bytes)
        while (!reader.isAtEnd) this.#host.onEvent(reader.byte(), reader)
        this.giveAnswers()
      } while (this.#hasMoreQuestions)
    } finally {
      this.#isDispatching = false
      // Only now, so that a hook that answers at once does not stop and start its socket for each message.
      for (const connection of this.#unsettled) connection.setPaused(connection.isHeld)
      this.#unsettled.clear()
    }
  }
}
