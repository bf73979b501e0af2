/**
 * What comes at any time, for a reader who takes it one by one: `for await`, or `next` by hand. The room in between is
 * bounded, and what happens when it is full has a name.
 */
import { MqttError } from './errors.js'

/**
 * When there is no room: `dropOldest` and `dropNewest` drop quietly and count it; `fail` ends the stream with
 * ERR_MQTT_QUOTA_EXCEEDED, after what is in it has been read.
 */
export type OverflowPolicy = 'dropOldest' | 'dropNewest' | 'fail'

interface Reader<T> {
  resolve(result: IteratorResult<T, undefined>): void
  reject(error: unknown): void
}

/** See the head of this file. */
export class BoundedStream<T> implements AsyncIterableIterator<T, undefined>, AsyncDisposable {
  readonly #maximum: number
  readonly #overflow: OverflowPolicy
  readonly #queue: T[] = []
  #readers: Reader<T>[] = []
  #release: () => void = () => {}
  #isOver = false
  /** What the reader gets when the queue is empty. */
  #failure: { readonly error: unknown } | undefined
  #droppedCount = 0

  constructor(maximum: number, overflow: OverflowPolicy = 'dropOldest') {
    this.#maximum = maximum
    this.#overflow = overflow
  }

  /** What was dropped because nobody read it in time. */
  get droppedCount(): number {
    return this.#droppedCount
  }

  /** `release` is called once, when it is over. @internal */
  start(release: () => void): void {
    this.#release = release
  }

  /** @internal */
  push(value: T): void {
    if (this.#isOver) return
    const reader = this.#readers.shift()
    if (reader !== undefined) {
      reader.resolve({ done: false, value })
      return
    }
    if (this.#queue.length < this.#maximum) {
      this.#queue.push(value)
      return
    }
    if (this.#overflow === 'fail') {
      const sentence = `More than ${this.#maximum} messages wait to be read: read faster, or allow more.`
      this.fail(new MqttError('ERR_MQTT_QUOTA_EXCEEDED', sentence))
      return
    }
    this.#droppedCount += 1
    if (this.#overflow === 'dropNewest') return
    this.#queue.shift()
    this.#queue.push(value)
  }

  /** Ends the iteration: what waits is still read, then it is over. */
  end(): void {
    this.#finish()
  }

  /** As `end`, but the last reader gets the error. @internal */
  fail(error: unknown): void {
    if (!this.#isOver) this.#failure = { error }
    this.#finish()
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#queue.length > 0) return Promise.resolve({ done: false, value: this.#queue.shift() as T })
    const failure = this.#failure
    if (failure !== undefined) {
      this.#failure = undefined
      return Promise.reject(failure.error)
    }
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }))
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#queue.length = 0
    this.end()
    this.#failure = undefined
    return Promise.resolve({ done: true, value: undefined })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    const readers = this.#readers
    this.#readers = []
    for (const reader of readers) {
      // Readers wait only while the queue is empty. The first of them gets the error, the others the end.
      if (this.#failure === undefined) reader.resolve({ done: true, value: undefined })
      else reader.reject(this.#failure.error)
      this.#failure = undefined
    }
    this.#release()
  }
}
