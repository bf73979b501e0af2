/** A scenario: groups of devices, and what they say. Read, and checked down to the names in its templates. */
import { z } from 'zod'
import { integer, nearest } from '../../validate.js'
import { readYamlFile } from '../yaml-file.js'
import { payloadTemplate, type Template, type Tree, textTemplate } from './template.js'
import { valueSchema } from './values.js'

/** Names that every device has: its client id, its number in the group from 1 on, and the group's name. */
export const BUILT_IN_NAMES = ['id', 'n', 'group'] as const

const MAXIMUM_DEVICES = 100_000
/** Ten milliseconds: what wants more messages of one device is a benchmark. */
const MINIMUM_PERIOD_SECS = 0.01

const text = (wanted: string) => z.string({ error: wanted }).min(1, { error: wanted })
const secs = (wanted: string, minimum = 0) =>
  z.number({ error: wanted }).min(minimum, { error: wanted }).max(31_536_000, { error: wanted })
const flag = z.boolean({ error: 'must be true or false' }).optional()
const qos = integer(0, 2).optional() as z.ZodType<0 | 1 | 2 | undefined>
const topic = text('must be a topic name').refine((name) => !/[+#\0]/.test(name), {
  error: 'must be a topic name: no + and no #',
})
const payload = z.custom<Tree>((value) => value !== undefined, { error: 'is missing' })

const messageShape = { topic, payload, qos, retain: flag }
const message = z.strictObject(messageShape, { error: 'must be a mapping with topic and payload' })
const periodicMessage = z.strictObject(
  {
    ...messageShape,
    periodSecs: secs(`must be a number of seconds from ${MINIMUM_PERIOD_SECS} on`, MINIMUM_PERIOD_SECS),
    jitterSecs: secs('must be a number of seconds').optional(),
  },
  { error: 'must be a mapping with topic, payload and periodSecs' },
)

const group = z
  .strictObject(
    {
      name: text('must be a name'),
      count: integer(1, MAXIMUM_DEVICES),
      clientId: text('must be a text with {n} in it').optional(),
      username: text('must be text').optional(),
      password: text('must be text').optional(),
      rampSecs: secs('must be a number of seconds').optional(),
      keepAliveSecs: integer(0, 65_535).optional(),
      values: z
        .record(
          z.string().regex(/^[A-Za-z_]\w*$/, {
            error: 'has a name that is not made of letters, digits and underscores',
          }),
          valueSchema,
          { error: 'must map names to values' },
        )
        .optional(),
      will: message.optional(),
      onConnect: z.array(message, { error: 'must be a list of messages' }).optional(),
      publish: z.array(periodicMessage, { error: 'must be a list of messages' }).optional(),
      subscribe: z
        .array(text('must be a topic filter'), { error: 'must be a list of topic filters' })
        .optional(),
    },
    { error: 'must be a mapping with name, count and publish' },
  )
  .superRefine((one, context) => {
    const isCounted = textTemplate(one.clientId ?? '{n}').names.has('n')
    if (one.count > 1 && !isCounted)
      context.addIssue({
        code: 'custom',
        path: ['clientId'],
        message: 'must have {n} in it, or all devices of the group would have one id',
      })
    for (const [path, template] of templatesOf(one)) {
      const known = path[0] === 'clientId' ? ['n', 'group'] : namesOf(one)
      for (const name of template.names) {
        if (known.includes(name)) continue
        const meant = nearest(name, known)
        const advice = meant === undefined ? `known are ${known.join(', ')}` : `perhaps {${meant}} is meant`
        context.addIssue({
          code: 'custom',
          path: [...path],
          message: `has {${name}}, which is no value: ${advice}`,
        })
      }
    }
    for (const [index, { periodSecs, jitterSecs = 0 }] of (one.publish ?? []).entries()) {
      if (jitterSecs > periodSecs)
        context.addIssue({
          code: 'custom',
          path: ['publish', index, 'jitterSecs'],
          message: 'must not be more than periodSecs',
        })
    }
  })

/** Checks a scenario. */
export const scenarioSchema = z
  .strictObject(
    {
      devices: z
        .array(group, { error: 'must be a list of groups of devices' })
        .min(1, { error: 'must have at least one group' }),
    },
    { error: 'must be a mapping with devices' },
  )
  .superRefine(({ devices }, context) => {
    const total = devices.reduce((sum, { count }) => sum + count, 0)
    if (total > MAXIMUM_DEVICES)
      context.addIssue({
        code: 'custom',
        path: ['devices'],
        message: `are ${total} together, and ${MAXIMUM_DEVICES} are the most`,
      })
    for (const [index, { name }] of devices.entries()) {
      if (devices.findIndex((other) => other.name === name) < index)
        context.addIssue({
          code: 'custom',
          path: ['devices', index, 'name'],
          message: `must be of one group only, and '${name}' is there already`,
        })
    }
  })

export type Scenario = z.infer<typeof scenarioSchema>
export type Group = Scenario['devices'][number]
export type Message = z.infer<typeof message>
export type PeriodicMessage = z.infer<typeof periodicMessage>

/** @throws MqttError ERR_MQTT_INVALID_CONFIG, one sentence with its place for each mistake. */
export function readScenario(path: string): Scenario {
  return readYamlFile(path, 'scenario', scenarioSchema)
}

function namesOf({ values }: Pick<Group, 'values'>): string[] {
  return [...BUILT_IN_NAMES, ...Object.keys(values ?? {})]
}

function* templatesOf(one: Group): Generator<[readonly PropertyKey[], Template]> {
  for (const key of ['clientId', 'username', 'password'] as const) {
    const given = one[key]
    if (given !== undefined) yield [[key], textTemplate(given)]
  }
  for (const [index, filter] of (one.subscribe ?? []).entries())
    yield [['subscribe', index], textTemplate(filter)]
  const messages: [readonly PropertyKey[], Message | undefined][] = [
    [['will'], one.will],
    ...(one.onConnect ?? []).map((each, index): [PropertyKey[], Message] => [['onConnect', index], each]),
    ...(one.publish ?? []).map((each, index): [PropertyKey[], Message] => [['publish', index], each]),
  ]
  for (const [path, each] of messages) {
    if (each === undefined) continue
    yield [[...path, 'topic'], textTemplate(each.topic)]
    yield [[...path, 'payload'], payloadTemplate(each.payload)]
  }
}
