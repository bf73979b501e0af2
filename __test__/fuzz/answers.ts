/** What a listener may write, read strictly: anything else is a finding. */
import { createHash } from 'node:crypto'

/** What the bytes of one connection turn out to be. */
export type Answer =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'mqtt'; readonly packetTypes: readonly number[] }
  | { readonly kind: 'tls'; readonly recordTypes: readonly number[] }
  | { readonly kind: 'http'; readonly responses: readonly Response[]; readonly frames: readonly Frame[] }

export interface Response {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
}

/** A WebSocket frame from us: whole, and not masked. */
export interface Frame {
  readonly opcode: number
  readonly payload: Buffer
}

/** Opcodes. */
export const BINARY = 2
export const CLOSE = 8
const NO_CHUNKS = Buffer.from('0\r\n\r\n')

/** Reads all of it. @throws where it is not one clear answer. */
export function readAnswer(bytes: Buffer): Answer {
  const [first] = bytes
  if (first === undefined) return { kind: 'nothing' }
  if (first === 0x15 || first === 0x16) return { kind: 'tls', recordTypes: readTls(bytes) }
  if (bytes.subarray(0, 9).toString('latin1') === 'HTTP/1.1 ') return readHttp(bytes)
  return { kind: 'mqtt', packetTypes: readMqtt(bytes) }
}

/** Whole packets of a server, CONNACK or AUTH the first. */
export function readMqtt(bytes: Buffer): number[] {
  const types: number[] = []
  for (let at = 0; at < bytes.length; ) {
    let length = 0
    let header = 1
    for (let shift = 0; ; shift += 7, header += 1) {
      const group = bytes.readUInt8(at + header)
      length += (group & 0x7f) << shift
      if ((group & 0x80) === 0) break
    }
    types.push(bytes.readUInt8(at) >> 4)
    at += header + 1 + length
    if (at > bytes.length) throw new Error(`an MQTT packet is cut short: ${bytes.toString('hex')}`)
  }
  const isAServers = types.every((type) => [2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 15].includes(type))
  if (!isAServers || (types[0] !== 2 && types[0] !== 15)) throw new Error(`packets of the types ${types}`)
  return types
}

function readTls(bytes: Buffer): number[] {
  const types: number[] = []
  for (let at = 0; at < bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) types.push(bytes.readUInt8(at))
  return types
}

/** Responses one after the other and, behind 101, frames. A response to HEAD has a length and no body. */
function readHttp(bytes: Buffer): Answer {
  const responses: Response[] = []
  let rest = bytes
  while (rest.length > 0) {
    const end = rest.indexOf('\r\n\r\n')
    if (end === -1) throw new Error(`a response without an end: ${rest.toString('latin1')}`)
    const [statusLine = '', ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) [\x20-\x7e]+$/.exec(statusLine)?.[1])
    if (!(status >= 100)) throw new Error(`a status line: ${statusLine}`)
    const headers = new Map(lines.map(readHeader))
    // Says when, which is not ours to compare.
    headers.delete('date')
    responses.push({ status, headers })
    rest = rest.subarray(end + 4)
    if (status === 101) return { kind: 'http', responses, frames: readFrames(rest) }
    if (status === 100) continue
    if (headers.get('transfer-encoding') === 'chunked') {
      // What Node itself writes has no body.
      if (!rest.subarray(0, 5).equals(NO_CHUNKS)) throw new Error(`chunks: ${rest.toString('latin1')}`)
      rest = rest.subarray(NO_CHUNKS.length)
      continue
    }
    const length = Number(headers.get('content-length'))
    if (!Number.isInteger(length)) throw new Error(`a response without a length: ${statusLine}`)
    if (rest.length > 0 && rest.subarray(0, 9).toString('latin1') !== 'HTTP/1.1 ') {
      if (rest.length < length) throw new Error(`a body of ${rest.length} bytes in place of ${length}`)
      rest = rest.subarray(length)
    }
  }
  return { kind: 'http', responses, frames: [] }
}

function readHeader(line: string): [string, string] {
  const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ([\x20-\x7e]*)$/.exec(line)
  if (match === null) throw new Error(`a header line: ${JSON.stringify(line)}`)
  return [(match[1] ?? '').toLowerCase(), match[2] ?? '']
}

/** Whole frames, none behind a close frame, which has a code and a sentence or nothing. */
function readFrames(bytes: Buffer): Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at < bytes.length; ) {
    const first = bytes.readUInt8(at)
    const second = bytes.readUInt8(at + 1)
    if ((first & 0xf0) !== 0x80 || (second & 0x80) !== 0) throw new Error(`a frame that begins with ${first}`)
    const [length, start] = readLength(bytes, at + 1, second)
    const payload = bytes.subarray(start, start + length)
    if (payload.length !== length) throw new Error('a frame is cut short')
    if (frames.at(-1)?.opcode === CLOSE) throw new Error('a frame behind the close frame')
    frames.push({ opcode: first & 0x0f, payload })
    at = start + length
  }
  for (const { opcode, payload } of frames) checkFrame(opcode, payload)
  return frames
}

function readLength(bytes: Buffer, at: number, length: number): [number, number] {
  if (length === 126) return [bytes.readUInt16BE(at + 1), at + 3]
  if (length === 127) return [Number(bytes.readBigUInt64BE(at + 1)), at + 9]
  return [length, at + 1]
}

function checkFrame(opcode: number, payload: Buffer): void {
  const isControl = opcode === CLOSE || opcode === 9 || opcode === 10
  if (!isControl && opcode !== 1 && opcode !== BINARY) throw new Error(`a frame with the opcode ${opcode}`)
  if (isControl && payload.length > 125) throw new Error('a control frame of more than 125 bytes')
  if (opcode === 1) new TextDecoder('utf-8', { fatal: true }).decode(payload)
  if (opcode !== CLOSE || payload.length === 0) return
  const code = payload.readUInt16BE(0)
  const isCode = (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || code >= 3000
  if (!isCode) throw new Error(`a close frame with the code ${code}`)
  new TextDecoder('utf-8', { fatal: true }).decode(payload.subarray(2))
}

/** What a server has to say to a key (RFC 6455, 4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}
