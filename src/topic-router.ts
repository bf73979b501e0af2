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
  /** Native code writes results here. It stays in this class: its memory must not be shared or transferred. */
  #results = new Uint32Array(INITIAL_RESULTS)
  readonly #native = new NativeTopicRouter(randomBytes(6).readUIntBE(0, 6), this.#results)
  readonly #add = this.#native.addFunction()
  readonly #remove = this.#native.removeFunction()
  readonly #match = this.#native.matchFunction()
  readonly #matchMany = this.#native.matchManyFunction()

  /** Pairs of filter and id. */
  get size(): number {
    return this.#native.size
  }

  /** Memory of the index in bytes: outside the JavaScript heap, and with what it keeps in reserve. */
  get memoryBytes(): number {
    return this.#native.heapBytes
  }

  /**
   * Adds an id, a whole number from 0 to 4294967295, to a topic filter. Returns false where it was there already.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_FILTER or ERR_MQTT_INVALID_OPTION.
   */
  add(topicFilter: string, id: number): boolean {
    checkId(id)
    try {
      return this.#add(topicFilter, id)
    } catch (error) {
      throw fromNative(error)
    }
  }

  /**
   * Takes an id from a topic filter. Returns false where it was not there.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_FILTER or ERR_MQTT_INVALID_OPTION.
   */
  remove(topicFilter: string, id: number): boolean {
    checkId(id)
    try {
      return this.#remove(topicFilter, id)
    } catch (error) {
      throw fromNative(error)
    }
  }

  /**
   * The ids of all filters that match a topic name, each once, in ascending order.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_NAME.
   */
  match(topicName: string): number[] {
    try {
      let count = this.#match(topicName)
      if (count > this.#results.length) {
        this.#grow(count)
        count = this.#match(topicName)
      }
      return idsAt(this.#results, 0, count)
    } catch (error) {
      throw fromNative(error)
    }
  }

  /**
   * `match` for many topic names in one native call, in their order. For more than a few names it costs half as much.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_NAME, which names the place of the first that is not valid, or
   * ERR_MQTT_INVALID_OPTION for one that is not a string.
   */
  matchMany(topicNames: readonly string[]): number[][] {
    if (topicNames.length === 0) return []
    const joined = join(topicNames)
    try {
      const length = this.#matchMany(joined, topicNames.length)
      if (length > this.#results.length) {
        this.#grow(length)
        this.#matchMany(joined, topicNames.length)
      }
    } catch (error) {
      throw fromNative(error)
    }
    const results = this.#results
    const all: number[][] = []
    let at = 0
    for (let index = 0; index < topicNames.length; index += 1) {
      const from = at + 1
      at = from + (results[at] as number)
      all.push(idsAt(results, from, at))
    }
    return all
  }

  #grow(needed: number): void {
    this.#results = new Uint32Array(needed * 2)
    this.#native.useResults(this.#results)
  }
}

/** A loop, because results are a few numbers: `Array.from` of a view takes longer than the match. */
function idsAt(results: Uint32Array, from: number, to: number): number[] {
  if (to - from === 1) return [results[from] as number]
  const ids: number[] = []
  for (let at = from; at < to; at += 1) ids.push(results[at] as number)
  return ids
}

/** V8 copies the parts once, when the addon reads them; `Array.prototype.join` would do so before. */
function join(topicNames: readonly string[]): string {
  let joined = ''
  for (let index = 0; index < topicNames.length; index += 1) {
    const topicName = topicNames[index]
    if (typeof topicName !== 'string') {
      throw new MqttError('ERR_MQTT_INVALID_OPTION', `Topic ${index} must be a string.`)
    }
    joined += index === 0 ? topicName : `\0${topicName}`
  }
  return joined
}

function checkId(id: number): void {
  if (Number.isInteger(id) && id >= 0 && id <= LARGEST_ID) return
  throw new MqttError('ERR_MQTT_INVALID_OPTION', `An id must be a whole number from 0 to ${LARGEST_ID}.`)
}
