/**
 * The broker's subscription index by itself: a fast topic router for services that have no broker. Filters are MQTT
 * topic filters, topics are topic names, and each filter holds numbers of the caller's choice.
 */
import { randomBytes } from 'node:crypto'
import { MqttError } from './errors.js'
import { fromNative, NativeTopicRouter } from './native.js'

/** Ids that fit before the result array has to grow. */
const INITIAL_RESULTS = 1024
const LARGEST_ID = 4_294_967_295

/** See the head of this file. */
export class TopicRouter {
  readonly #native = new NativeTopicRouter(randomBytes(6).readUIntBE(0, 6))
  #results = new Uint32Array(INITIAL_RESULTS)

  /** Pairs of filter and id. */
  get size(): number {
    return this.#native.size
  }

  /**
   * Adds an id, a whole number from 0 to 4294967295, to a topic filter. Returns false where it was there already.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_FILTER or ERR_MQTT_INVALID_OPTION.
   */
  add(topicFilter: string, id: number): boolean {
    checkId(id)
    return call(() => this.#native.add(topicFilter, id))
  }

  /**
   * Takes an id from a topic filter. Returns false where it was not there.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_FILTER or ERR_MQTT_INVALID_OPTION.
   */
  remove(topicFilter: string, id: number): boolean {
    checkId(id)
    return call(() => this.#native.remove(topicFilter, id))
  }

  /**
   * The ids of all filters that match a topic name, each once, in ascending order.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_NAME.
   */
  match(topicName: string): number[] {
    const count = this.#fill((results) => this.#native.matchInto(topicName, results))
    return Array.from(this.#results.subarray(0, count))
  }

  /**
   * `match` for many topic names in one native call, in their order.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_NAME, which names the place of the first that is not valid.
   */
  matchMany(topicNames: readonly string[]): number[][] {
    if (topicNames.length === 0) return []
    const joined = topicNames.join('\0')
    this.#fill((results) => this.#native.matchManyInto(joined, results))
    const results = this.#results
    let at = 0
    const all = topicNames.map(() => {
      const count = results[at] as number
      const ids = Array.from(results.subarray(at + 1, at + 1 + count))
      at += 1 + count
      return ids
    })
    return all
  }

  /** Calls again with a larger array where the results do not fit. */
  #fill(match: (results: Uint32Array) => number): number {
    let count = call(() => match(this.#results))
    if (count > this.#results.length) {
      this.#results = new Uint32Array(count * 2)
      count = call(() => match(this.#results))
    }
    return count
  }
}

function checkId(id: number): void {
  if (Number.isInteger(id) && id >= 0 && id <= LARGEST_ID) return
  throw new MqttError('ERR_MQTT_INVALID_OPTION', `An id must be a whole number from 0 to ${LARGEST_ID}.`)
}

function call<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    throw fromNative(error)
  }
}
