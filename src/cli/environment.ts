/**
 * Environment variables as a configuration: `TOPICWIRE_PORT` is `port`, and `__` goes one level down, so that
 * `TOPICWIRE_LIMITS__MAXIMUM_PACKET_SIZE_BYTES` is `limits.maximumPacketSizeBytes`. Lists and mappings are written
 * as in YAML, for instance `TOPICWIRE_ALLOWED_ORIGINS='[https://example.org]'`.
 */
import { parse } from 'yaml'
import type { z } from 'zod'
import { MqttError } from '../errors.js'
import { knownPaths, nearest, validate } from '../validate.js'
import { type Configuration, configurationSchema } from './config-schema.js'

const PREFIX = 'TOPICWIRE_'

/** Names with our prefix that are not options: the path of the configuration file, and the checkout's build. */
const RESERVED: ReadonlySet<string> = new Set(['TOPICWIRE_CONFIG', 'TOPICWIRE_SKIP_NATIVE'])

/** What Kubernetes sets in every container beside a service called `topicwire`. */
const KUBERNETES_NAME = /^TOPICWIRE_(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)$/
const KUBERNETES_PORT = /^(tcp|udp):\/\//

/** @throws MqttError ERR_MQTT_INVALID_CONFIG, a line for each variable that is wrong. */
export function readEnvironment(environment: NodeJS.ProcessEnv): Configuration {
  const variables = new Map(knownPaths(configurationSchema).map((path) => [variableOf(path), path]))
  const configuration: Record<string, unknown> = {}
  const mistakes: string[] = []
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || value === '' || !name.startsWith(PREFIX) || isForeign(name, value)) continue
    const path = variables.get(name)
    if (path === undefined) mistakes.push(unknownVariable(name, [...variables.keys()]))
    else set(configuration, path.split('.'), interpret(path, value))
  }
  const result = validate(configurationSchema, configuration)
  if ('problems' in result) {
    for (const { path, message } of result.problems) {
      const keys = path.filter((key) => typeof key === 'string')
      const variable = keys.map((_, index) => variableOf(keys.slice(0, keys.length - index).join('.')))
      const name = variable.find((candidate) => candidate in environment)
      mistakes.push(`${name ?? 'The environment'}: ${message}`)
    }
  }
  if (mistakes.length > 0) throw new MqttError('ERR_MQTT_INVALID_CONFIG', mistakes.join('\n'))
  return configuration as Configuration
}

/** `limits.maximumPacketSizeBytes` as the name of a variable. */
export function variableOf(path: string): string {
  const words = path.split('.').map((key) => key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase())
  return PREFIX + words.join('__')
}

function isForeign(name: string, value: string): boolean {
  if (RESERVED.has(name) || KUBERNETES_NAME.test(name)) return true
  return name === 'TOPICWIRE_PORT' && KUBERNETES_PORT.test(value)
}

function unknownVariable(name: string, known: readonly string[]): string {
  const meant = nearest(name, known)
  return `${name} is not a known variable.${meant === undefined ? '' : ` Did you mean ${meant}?`}`
}

/** The value as YAML sees it (a number, true, a list), or the text as it is where only that is valid. */
function interpret(path: string, text: string): unknown {
  const schema = path
    .split('.')
    .reduce<z.ZodType>((parent, key) => shapeOf(parent)[key] ?? parent, configurationSchema)
  let value: unknown
  try {
    value = parse(text)
  } catch {
    return text
  }
  return !schema.safeParse(value).success && schema.safeParse(text).success ? text : value
}

function shapeOf(schema: z.ZodType): Record<string, z.ZodType> {
  const inner = 'unwrap' in schema ? (schema.unwrap as () => z.ZodType)() : schema
  return (inner as { shape?: Record<string, z.ZodType> }).shape ?? {}
}

function set(target: Record<string, unknown>, keys: readonly string[], value: unknown): void {
  const [key, ...rest] = keys
  if (key === undefined) return
  if (rest.length === 0) {
    target[key] = value
    return
  }
  target[key] ??= {}
  set(target[key] as Record<string, unknown>, rest, value)
}
