/**
 * The words of MQTT.js for packets and properties, and ours: `messageExpiryInterval` and `userProperties` as an object
 * there, `messageExpiryIntervalSecs` and pairs in the codec. What comes is told in the words of MQTT.js; what is given
 * may have the pairs too, for an object cannot say that a name comes twice with others between.
 */
import type { Properties, PublishProperties } from '../codec/properties.js'
import { MqttError } from '../errors.js'

/** Names and values; a name that comes more than once has an array. */
export interface UserProperties {
  [name: string]: string | string[]
}

/** As they may be given. */
export type GivenUserProperties =
  | { readonly [name: string]: string | readonly string[] }
  | readonly (readonly [name: string, value: string])[]

/** The properties of a PUBLISH that has come. */
export interface PublishWords {
  payloadFormatIndicator?: boolean
  messageExpiryInterval?: number
  topicAlias?: number
  responseTopic?: string
  correlationData?: Buffer
  userProperties?: UserProperties
  subscriptionIdentifier?: number | number[]
  contentType?: string
}

/** The properties of a PUBLISH that is sent. */
export interface GivenPublishProperties {
  readonly payloadFormatIndicator?: boolean | undefined
  /** Seconds. */
  readonly messageExpiryInterval?: number | undefined
  readonly responseTopic?: string | undefined
  readonly correlationData?: Uint8Array | undefined
  readonly userProperties?: GivenUserProperties | undefined
  readonly contentType?: string | undefined
}

/** The properties of any packet that has come, but for PUBLISH. */
export interface PacketWords {
  sessionExpiryInterval?: number
  receiveMaximum?: number
  maximumQoS?: number
  retainAvailable?: boolean
  maximumPacketSize?: number
  assignedClientIdentifier?: string
  topicAliasMaximum?: number
  reasonString?: string
  userProperties?: UserProperties
  wildcardSubscriptionAvailable?: boolean
  subscriptionIdentifiersAvailable?: boolean
  sharedSubscriptionAvailable?: boolean
  serverKeepAlive?: number
  responseInformation?: string
  serverReference?: string
  authenticationMethod?: string
  authenticationData?: Buffer
}

const theirs: ReadonlyMap<string, string> = new Map([
  ['messageExpiryIntervalSecs', 'messageExpiryInterval'],
  ['sessionExpiryIntervalSecs', 'sessionExpiryInterval'],
  ['willDelayIntervalSecs', 'willDelayInterval'],
  ['subscriptionId', 'subscriptionIdentifier'],
  ['subscriptionIds', 'subscriptionIdentifier'],
  ['assignedClientId', 'assignedClientIdentifier'],
  ['serverKeepAliveSecs', 'serverKeepAlive'],
  ['maximumQos', 'maximumQoS'],
  ['subscriptionIdsAvailable', 'subscriptionIdentifiersAvailable'],
])

const ours: ReadonlyMap<string, string> = new Map([
  ['messageExpiryInterval', 'messageExpiryIntervalSecs'],
  ['sessionExpiryInterval', 'sessionExpiryIntervalSecs'],
  ['willDelayInterval', 'willDelayIntervalSecs'],
  ['subscriptionIdentifier', 'subscriptionId'],
])

export function publishWords(properties: PublishProperties): PublishWords {
  const words: Record<string, unknown> = packetWords(properties)
  const ids = properties.subscriptionIds
  if (ids?.length === 1) words.subscriptionIdentifier = ids[0]
  return words
}

/** Properties in the words of MQTT.js. */
export function packetWords(properties: Properties): Record<string, unknown> {
  const words: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(properties)) {
    words[theirs.get(name) ?? name] =
      name === 'userProperties' ? asObject(value as [string, string][]) : value
  }
  return words
}

function asObject(pairs: readonly (readonly [string, string])[]): UserProperties {
  // Names are a peer's.
  const object: UserProperties = Object.create(null)
  for (const [name, value] of pairs) {
    const before = object[name]
    if (before === undefined) object[name] = value
    else if (typeof before === 'string') object[name] = [before, value]
    else before.push(value)
  }
  return object
}

/** Properties in the words of the codec, which checks them. */
export function ownProperties(properties: object | undefined): Properties<Uint8Array> {
  if (properties === undefined) return {}
  const own: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue
    own[ours.get(name) ?? name] = name === 'userProperties' ? asPairs(value) : bytesOf(name, value)
  }
  return own
}

function bytesOf(name: string, value: unknown): unknown {
  const isBytes = name === 'correlationData' || name === 'authenticationData'
  return isBytes && typeof value === 'string' ? Buffer.from(value) : value
}

function asPairs(value: unknown): readonly (readonly [string, string])[] {
  if (Array.isArray(value)) return value
  if (typeof value !== 'object' || value === null) {
    throw new MqttError(
      'ERR_MQTT_INVALID_OPTION',
      'userProperties must be an object, or pairs of name and value.',
    )
  }
  return Object.entries(value as Record<string, string | readonly string[]>).flatMap(([name, values]) =>
    typeof values === 'string' ? [[name, values] as const] : values.map((item) => [name, item] as const),
  )
}

/**
 * A callback that is called once: by what it waits for, or, when the signal is aborted, with the signal's own reason. That is
 * an error here even where it is none: undefined and null say to a callback that all went well. `beforeAbort` is called
 * before the callback then.
 */
export function aborted<Rest extends unknown[]>(
  signal: AbortSignal | undefined,
  callback: (error: Error | undefined, ...rest: Rest) => void,
  beforeAbort: () => void = () => {},
): (error?: Error | undefined, ...rest: Rest) => void {
  if (signal === undefined) return callback as (error?: Error, ...rest: Rest) => void
  let isDone = false
  const settle = (error: Error | undefined, ...rest: Rest): void => {
    if (isDone) return
    isDone = true
    signal.removeEventListener('abort', onAbort)
    callback(error, ...rest)
  }
  const onAbort = (): void => {
    const rest = [] as unknown as Rest
    beforeAbort()
    settle(reasonOf(signal), ...rest)
  }
  if (signal.aborted) process.nextTick(onAbort)
  else signal.addEventListener('abort', onAbort, { once: true })
  return settle as (error?: Error, ...rest: Rest) => void
}

function reasonOf({ reason }: AbortSignal): Error {
  return reason || new DOMException('This operation was aborted', 'AbortError')
}
