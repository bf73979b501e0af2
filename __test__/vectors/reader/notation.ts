/** From the notation's text to items. What depends on the version is settled here. README.md explains the notation. */

export type Version = '3.1' | '3.1.1' | '5.0'

/** A part of a pattern. */
export type Item =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  /** `?` */
  | { readonly kind: 'anyByte' }
  /** `~` */
  | { readonly kind: 'rest' }
  /** `$name`: two bytes. */
  | { readonly kind: 'variable'; readonly name: string }
  /** Contents with their length before them: `[ … ]` and `{ … }`, or `< … >`. */
  | { readonly kind: 'block'; readonly length: 'varint' | 'twoBytes'; readonly contents: readonly Item[] }

/** More bytes than a control packet can have: a slip of the pen. */
const MOST_REPEATED = 2 ** 28

const protocols: Readonly<Record<Version, string>> = {
  '3.1': '\0\x06MQIsdp\x03',
  '3.1.1': '\0\x04MQTT\x04',
  '5.0': '\0\x04MQTT\x05',
}

/** Reads a whole text. */
export function parseItems(text: string, version: Version): readonly Item[] {
  const items = new Parser(text, version).items(undefined)
  if (items.some((item) => item.kind === 'rest')) throw new SyntaxError(`~ outside of a block: ${text}`)
  return items
}

/** The shortest Variable Byte Integer of a number, whatever its size. */
export function varint(value: number): Buffer {
  const bytes = []
  for (let rest = value; bytes.length === 0 || rest > 0; rest = Math.floor(rest / 128)) {
    bytes.push((rest % 128) | (rest > 127 ? 0x80 : 0))
  }
  return Buffer.from(bytes)
}

class Parser {
  readonly #version: Version
  #rest: string

  constructor(text: string, version: Version) {
    this.#rest = text
    this.#version = version
  }

  /** Items up to the closing character, or to the end. */
  items(closing: string | undefined): Item[] {
    const items = []
    for (;;) {
      this.#rest = this.#rest.trimStart()
      const next = this.#rest[0]
      if (next === closing) {
        this.#rest = this.#rest.slice(1)
        return items
      }
      if (next === undefined) this.#fail('a block without its end')
      items.push(...this.#repeated(this.#item(next)))
    }
  }

  #item(first: string): Item[] {
    if (/[0-9a-z]/i.test(first)) return this.#word()
    const before = this.#rest
    this.#rest = this.#rest.slice(1)
    switch (first) {
      case '"':
        return [block('twoBytes', [bytes(this.#text('"'))])]
      case "'":
        return [bytes(this.#text("'"))]
      case '<': {
        const contents = this.items('>')
        if (fixedLength(contents) > 65_535) this.#fail('more than two bytes can count')
        return [block('twoBytes', contents)]
      }
      case '[':
        return [block('varint', this.items(']'))]
      case '{': {
        const contents = this.items('}')
        return this.#version === '5.0' ? [block('varint', contents)] : []
      }
      case '(':
        return this.items(')')
      case '?':
        return [{ kind: 'anyByte' }]
      case '~':
        return [{ kind: 'rest' }]
      case '$': {
        const name = this.#take(/^\w*/)
        if (name === '') this.#fail('a $ without a name')
        return name === 'protocol' ? [bytes(protocols[this.#version])] : [{ kind: 'variable', name }]
      }
      default:
        this.#rest = before
        return this.#fail('a character that means nothing')
    }
  }

  /** A byte, or a word with parentheses. */
  #word(): Item[] {
    const number = this.#take(/^(u16|u32|varint)\(\d+\)/)
    if (number !== '') return [bytes(numberBytes(number) ?? this.#fail(`no such number as ${number}`))]
    const family = this.#take(/^v[35]\(/)
    if (family !== '') {
      const items = this.items(')')
      return (family === 'v5(') === (this.#version === '5.0') ? items : []
    }
    const byte = this.#take(/^[0-9a-f]{2}(?![0-9a-z(])/i)
    if (byte === '') this.#fail('neither a byte in hex nor a word of the notation')
    return [bytes(Buffer.from(byte, 'hex'))]
  }

  #repeated(items: Item[]): Item[] {
    if (!this.#rest.startsWith('*')) return items
    const count = Number(this.#take(/^\*\d+/).slice(1) || Number.NaN)
    if (!(count <= MOST_REPEATED)) this.#fail('a * without a number')
    const [first] = items
    if (items.length === 1 && first?.kind === 'bytes') {
      return [bytes(Buffer.alloc(first.bytes.length * count, first.bytes))]
    }
    return Array.from({ length: count }, () => items).flat()
  }

  #text(quote: string): string {
    const end = this.#rest.indexOf(quote)
    if (end < 0) this.#fail('text without its closing quote')
    const text = this.#rest.slice(0, end)
    this.#rest = this.#rest.slice(end + 1)
    return text
  }

  #take(pattern: RegExp): string {
    const [taken] = pattern.exec(this.#rest) ?? ['']
    this.#rest = this.#rest.slice(taken.length)
    return taken
  }

  #fail(problem: string): never {
    throw new SyntaxError(`${problem}: ${this.#rest}`)
  }
}

/** The bytes of `u16(1)`; undefined where the number does not fit. */
function numberBytes(text: string): Buffer | undefined {
  const [word, digits] = text.slice(0, -1).split('(')
  const value = Number(digits)
  if (word === 'varint') return value < MOST_REPEATED ? varint(value) : undefined
  const size = word === 'u16' ? 2 : 4
  if (value >= 2 ** (8 * size)) return undefined
  const number = Buffer.alloc(size)
  number.writeUIntBE(value, 0, size)
  return number
}

/** The bytes that these items have at the least. */
function fixedLength(items: readonly Item[]): number {
  let length = 0
  for (const item of items) {
    if (item.kind === 'bytes') length += item.bytes.length
    else if (item.kind === 'anyByte') length += 1
    else if (item.kind === 'variable') length += 2
    else if (item.kind === 'block') length += (item.length === 'varint' ? 1 : 2) + fixedLength(item.contents)
  }
  return length
}

function bytes(value: string | Buffer): Item {
  return { kind: 'bytes', bytes: Buffer.from(value as string) }
}

function block(length: 'varint' | 'twoBytes', contents: readonly Item[]): Item {
  return { kind: 'block', length, contents }
}
