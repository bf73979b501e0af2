/**
 * The pattern of a typed topic: `sensors/{id}/temperature`, `logs/{host}/{path...}`. A parameter is a whole level, the
 * one with dots is all levels that are left. The types below read a pattern as `TopicPattern` does, so that what is
 * wrong with one is an error of the compiler too.
 */
import { MqttError } from './errors.js'
import { show } from './validate.js'

/** The parameters of a pattern: a string for each level, an array of strings for `{name...}`. */
export type TopicParams<Pattern extends string> = string extends Pattern
  ? Readonly<Record<string, string | readonly string[]>>
  : Flat<ParamsOf<Pattern>>

/** Some of them: those that are left out match everything. */
export type SomeTopicParams<Pattern extends string> = Partial<TopicParams<Pattern>>

/** The pattern itself, or, where it is none, the sentence that says why. */
export type CheckedPattern<Pattern extends string> = string extends Pattern
  ? Pattern
  : [ProblemOf<Pattern>] extends [never]
    ? Pattern
    : ProblemOf<Pattern>

type ParamsOf<Pattern extends string> = Pattern extends `${infer Level}/${infer Rest}`
  ? ParamOf<Level> & ParamsOf<Rest>
  : ParamOf<Pattern>

type ParamOf<Level extends string> = Level extends `{${infer Name}...}`
  ? { readonly [Key in Name]: readonly string[] }
  : Level extends `{${infer Name}}`
    ? { readonly [Key in Name]: string }
    : unknown

type Flat<T> = { [Key in keyof T]: T[Key] }

type ProblemOf<Pattern extends string> = Pattern extends `${infer Level}/${infer Rest}`
  ? LevelProblem<Level, false> | ProblemOf<Rest>
  : LevelProblem<Pattern, true>

type LevelProblem<Level extends string, IsLast extends boolean> = Level extends `{${infer Name}...}`
  ? IsLast extends true
    ? NameProblem<Name>
    : 'A parameter of many levels, {name...}, has to be the last.'
  : Level extends `{${infer Name}}`
    ? NameProblem<Name>
    : Level extends `${string}${'{' | '}'}${string}`
      ? 'A parameter is a whole level: {name}.'
      : Level extends `${string}${'+' | '#'}${string}`
        ? 'Wildcards need a name: {name} instead of +, {name...} instead of #.'
        : never

type NameProblem<Name extends string> = Name extends '' | `${string}${'{' | '}' | '.' | ' '}${string}`
  ? 'The name of a parameter has letters, digits and _ only.'
  : never

type Level =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'one' | 'many'; readonly name: string }

/** Values by name, when it is not known of which pattern. */
export type PatternValues = Readonly<Record<string, string | readonly string[] | undefined>>

/** A pattern that has been read. */
export class TopicPattern {
  readonly pattern: string
  readonly #levels: readonly Level[]

  /** @throws MqttError ERR_MQTT_INVALID_OPTION. */
  constructor(pattern: string) {
    this.pattern = pattern
    const texts = pattern.split('/')
    this.#levels = texts.map((text, index) => levelOf(text, pattern, index === texts.length - 1))
    const names = this.#levels.flatMap((level) => (level.kind === 'text' ? [] : [level.name]))
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice !== undefined) throw invalidPattern(pattern, `The parameter ${twice} comes twice.`)
    // What the pattern itself says has to be a topic.
    if (pattern === '' || pattern.includes('\0'))
      throw invalidPattern(pattern, 'A topic is not empty and has no U+0000.')
  }

  /**
   * The Topic Name with these values.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_NAME for a value that is missing, or that a topic cannot have there.
   */
  build(values: PatternValues): string {
    const levels = this.#levels.flatMap((level, index) => {
      if (level.kind === 'text') return [level.text]
      const value = values[level.name]
      if (value === undefined) throw invalidValue(this.pattern, level.name, 'is missing')
      return this.#checked(level, value, index)
    })
    return levels.join('/')
  }

  /**
   * The Topic Filter for these values; a parameter without one is a wildcard.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_NAME for a value that a topic cannot have there.
   */
  filter(values: PatternValues): string {
    const levels = this.#levels.flatMap((level, index) => {
      if (level.kind === 'text') return [level.text]
      const value = values[level.name]
      if (value === undefined) return [level.kind === 'one' ? '+' : '#']
      return this.#checked(level, value, index)
    })
    return levels.join('/')
  }

  /** The values in a Topic Name; undefined where it is none of this pattern's. */
  parse(topicName: string): Record<string, string | string[]> | undefined {
    const texts = topicName.split('/')
    const last = this.#levels.at(-1)
    const fixed = last?.kind === 'many' ? this.#levels.length - 1 : this.#levels.length
    if (last?.kind === 'many' ? texts.length < fixed : texts.length !== fixed) return undefined
    // A wildcard at the beginning does not match these, 4.7.2.
    if (this.#levels[0]?.kind !== 'text' && topicName.startsWith('$')) return undefined
    const values: Record<string, string | string[]> = {}
    for (const [index, level] of this.#levels.entries()) {
      if (level.kind === 'many') {
        values[level.name] = texts.slice(index)
        continue
      }
      const text = texts[index]
      if (level.kind === 'text') {
        if (text !== level.text) return undefined
      } else {
        if (text === undefined || text === '') return undefined
        values[level.name] = text
      }
    }
    return values
  }

  #checked(level: Exclude<Level, { kind: 'text' }>, value: unknown, index: number): readonly string[] {
    const { pattern } = this
    const { kind, name } = level
    const texts = kind === 'many' ? value : [value]
    if (!Array.isArray(texts))
      throw invalidValue(pattern, name, 'must be an array of strings, one for each level')
    for (const text of texts) {
      if (typeof text !== 'string') throw invalidValue(pattern, name, `must be text, not ${show(text)}`)
      if (/[/+#\0]/.test(text)) {
        throw invalidValue(pattern, name, `is ${show(text)}: a level of a topic has no / + # and U+0000`)
      }
    }
    if (kind === 'one' && texts[0] === '') throw invalidValue(pattern, name, 'is empty')
    const [first = ''] = texts as readonly string[]
    if (index === 0 && first.startsWith('$')) {
      throw invalidValue(
        pattern,
        name,
        `is ${show(first)}: no filter of this pattern matches a topic that begins with $`,
      )
    }
    if (index === 0 && texts.length === 0) throw invalidValue(pattern, name, 'is empty')
    return texts as readonly string[]
  }
}

function levelOf(text: string, pattern: string, isLast: boolean): Level {
  const [, inner] = /^\{(.*)\}$/s.exec(text) ?? []
  if (inner === undefined) {
    if (/[{}]/.test(text)) throw invalidPattern(pattern, 'A parameter is a whole level: {name}.')
    if (/[+#]/.test(text)) {
      throw invalidPattern(pattern, 'Wildcards need a name: {name} instead of +, {name...} instead of #.')
    }
    return { kind: 'text', text }
  }
  const isMany = inner.endsWith('...')
  const name = isMany ? inner.slice(0, -'...'.length) : inner
  if (!/^[\p{L}\p{N}_]+$/u.test(name)) {
    throw invalidPattern(pattern, 'The name of a parameter has letters, digits and _ only.')
  }
  if (isMany && !isLast) {
    throw invalidPattern(pattern, 'A parameter of many levels, {name...}, has to be the last.')
  }
  return { kind: isMany ? 'many' : 'one', name }
}

function invalidPattern(pattern: string, sentence: string): MqttError {
  return new MqttError(
    'ERR_MQTT_INVALID_OPTION',
    `${show(pattern)} is not the pattern of a topic. ${sentence}`,
  )
}

function invalidValue(pattern: string, name: string, problem: string): MqttError {
  return new MqttError('ERR_MQTT_INVALID_TOPIC_NAME', `The parameter ${name} of ${pattern} ${problem}.`)
}
