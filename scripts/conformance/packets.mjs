/** The kinds of packet: who sends them, and how to tell that a line of bytes or a piece of source is about one. */

/** By the high half of a packet's first byte. */
const byType = [
  undefined,
  'CONNECT',
  'CONNACK',
  'PUBLISH',
  'PUBACK',
  'PUBREC',
  'PUBREL',
  'PUBCOMP',
  'SUBSCRIBE',
  'SUBACK',
  'UNSUBSCRIBE',
  'UNSUBACK',
  'PINGREQ',
  'PINGRESP',
  'DISCONNECT',
  'AUTH',
]
const fromClient = ['CONNECT', 'SUBSCRIBE', 'UNSUBSCRIBE', 'PINGREQ']
const fromServer = ['CONNACK', 'SUBACK', 'UNSUBACK', 'PINGRESP']

export const packetKinds = byType.slice(1)

/** Whether bytes that went each way hold a packet of this kind, sent by an end that may send it. */
export function isAmong(kind, { client, server }) {
  return (!fromServer.includes(kind) && client.has(kind)) || (!fromClient.includes(kind) && server.has(kind))
}

/** Whether a piece of source names the kind: `Puback`, `send_puback`, `PUBACK`; SUBACK is not in UNSUBACK. */
export function isNamedIn(kind, source) {
  if (kind === 'AUTH') return /(?<![A-Za-z])auth(?![a-z])|Auth(?![a-z])|AUTH/.test(source)
  const before = { CONNECT: '(?<!dis|re)', SUBSCRIBE: '(?<!un)', SUBACK: '(?<!un)' }[kind] ?? ''
  const after = kind === 'CONNECT' ? '(?!ion)' : ''
  return new RegExp(`${before}${kind}${after}`, 'i').test(source)
}

/**
 * The kinds of the packets in a line of the notation (`__test__/vectors/README.md`). Only the first byte of each
 * packet matters: whatever stands in brackets is skipped.
 */
export function kindsIn(notation) {
  const kinds = new Set()
  const tokens =
    notation.match(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|v[35]\(|[[\]{}()<>;]|[^\s[\]{}()<>;"']+/g) ?? []
  // `v5( … )` only says for whom the bytes are; every other bracket hides what is in it.
  const open = []
  let frame
  for (const token of tokens) {
    const depth = open.filter((bracket) => bracket !== 'v').length
    if (token.startsWith('v') && token.endsWith('(')) open.push('v')
    else if ('[{(<'.includes(token)) open.push(token)
    else if (']})>'.includes(token)) {
      open.pop()
      if (token === ']' && depth === 1) frame = undefined
    } else if (token === ';') frame = undefined
    else if (depth === 0) {
      const byte = /^[\da-f]{2}$/i.test(token) ? Number.parseInt(token, 16) : undefined
      if (frame === undefined) {
        kinds.add(byType[(byte ?? 0) >> 4])
        frame = { length: 0 }
      }
      frame.length += 1
      // The packets without contents: `c0 00 c0 00` are two.
      if (frame.length === 2 && byte === 0) frame = undefined
    }
  }
  kinds.delete(undefined)
  return kinds
}
