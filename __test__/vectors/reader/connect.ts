/** `a connects …`: the words, as a CONNECT and its CONNACK in the notation. */
import type { Version } from './notation.js'

/** The properties of CONNECT among the words: identifier and form. */
const properties: Readonly<Record<string, (value: number) => string>> = {
  expiry: (value) => `11 u32(${value})`,
  receive_maximum: (value) => `21 u16(${value})`,
  maximum_packet_size: (value) => `27 u32(${value})`,
  alias_maximum: (value) => `22 u16(${value})`,
  request_response: (value) => `19 ${byte(value)}`,
  request_problem: (value) => `17 ${byte(value)}`,
}
const others = ['clean', 'id', 'keepalive', 'present', 'username', 'password']
const ofWills = ['will', 'will_payload', 'will_qos', 'will_retain', 'will_delay']
const known = new Set([...Object.keys(properties), ...others, ...ofWills])

export function connectNotation(
  client: string,
  text: string,
  version: Version,
): { connect: string; connack: string } {
  const words = readWords(text)
  const number = (name: string, otherwise = 0) => {
    const value = words.get(name)
    if (value !== undefined && !/^\d+$/.test(value)) throw new SyntaxError(`${name}=${value} is not a number`)
    return Number(value ?? otherwise)
  }
  const listed = Object.entries(properties).flatMap(([name, form]) =>
    words.has(name) ? [form(number(name))] : [],
  )
  let flags = number('clean', 1) === 1 ? 0x02 : 0
  const payload = [`"${words.get('id') ?? client}"`]
  const will = words.get('will')
  if (will !== undefined) {
    flags |= 0x04 | (number('will_qos') << 3) | (number('will_retain') === 1 ? 0x20 : 0)
    const delay = number('will_delay') === 0 ? '' : `18 u32(${number('will_delay')})`
    payload.push(`{ ${delay} } "${will}" "${words.get('will_payload') ?? ''}"`)
  }
  for (const [name, flag] of [
    ['username', 0x80],
    ['password', 0x40],
  ] as const) {
    const value = words.get(name)
    if (value === undefined) continue
    flags |= flag
    payload.push(`"${value}"`)
  }
  const head = `$protocol ${byte(flags)} u16(${number('keepalive')}) { ${listed.join(' ')} }`
  // 3.1 has no Session Present: the byte is reserved.
  const present = number('present') === 1 && version !== '3.1' ? 1 : 0
  return { connect: `10 [ ${head} ${payload.join(' ')} ]`, connack: `20 [ ${byte(present)} 00 { ~ } ]` }
}

/** `name=value` and `name="a value"`. */
function readWords(text: string): ReadonlyMap<string, string> {
  const words = new Map<string, string>()
  for (let rest = text.trim(); rest !== ''; ) {
    const [whole, name = '', quoted, bare = ''] = /^(\w+)=(?:"([^"]*)"|(\S*))\s*/.exec(rest) ?? []
    if (whole === undefined || !known.has(name))
      throw new SyntaxError(`${rest} is nothing that a CONNECT has`)
    words.set(name, quoted ?? bare)
    rest = rest.slice(whole.length)
  }
  return words
}

function byte(value: number): string {
  return value.toString(16).padStart(2, '0')
}
