/**
 * One connection from its first byte to its end, at a port of its own: what is written to it, and that nothing of it is
 * left when its peer has gone.
 */
import { Port } from '../../src/listeners/port.js'
import type { ResolvedListener } from '../../src/options.js'
import type { Acceptor } from '../../src/transports/transport.js'
import { type Answer, BINARY, CLOSE, type Frame, readAnswer } from './answers.js'
import { checkUnhandled, FakeSocket, quiet } from './network.js'

/** What has to be the same however the bytes were cut. */
export interface Outcome {
  /** The bytes of the answer but for what differs every time: the date, the random numbers of TLS, assigned names. */
  readonly written: string
  /** How the connection stood when all input had been read and the peer had not gone. */
  readonly state: 'open' | 'ended'
  /** It outlived its peer, as a TLS handshake does until its time is up, and ended with the port. */
  readonly lingers: boolean
}

/** The codes 1002, 1003, 1007 and 1009 of a close frame. */
const WEBSOCKET_FAULTS: ReadonlySet<string> = new Set(['03ea', '03eb', '03ef', '03f1'])

export interface Conversation {
  readonly answer: Answer
  readonly outcome: Outcome
}

/**
 * What two conversations of the same bytes have to share. Where the peer broke WebSocket's own rules that is not what
 * MQTT had to say: a broken frame ends a connection at once, and MQTT answers at the end of the turn.
 */
export function shared(one: Conversation, other: Conversation): [Outcome, Outcome] {
  const isBroken = brokeWebSocket(one.answer) || brokeWebSocket(other.answer)
  if (!isBroken) return [one.outcome, other.outcome]
  return [handshake(one.outcome), handshake(other.outcome)]
}

/** Without the frames, each of which begins a line in `written`. */
function handshake(outcome: Outcome): Outcome {
  return { ...outcome, written: outcome.written.replace(/\n\d+:.*/s, '') }
}

function brokeWebSocket(answer: Answer): boolean {
  const last = answer.kind === 'http' ? answer.frames.at(-1) : undefined
  return last?.opcode === CLOSE && WEBSOCKET_FAULTS.has(last.payload.toString('hex', 0, 2))
}

/** Feeds the pieces, and then the end of the stream. @throws what is wrong whatever the bytes were. */
export async function converse(
  options: ResolvedListener,
  acceptor: Acceptor,
  pieces: readonly Buffer[],
): Promise<Conversation> {
  const port = new Port(options, acceptor)
  const socket = new FakeSocket()
  try {
    port.accept(socket.asSocket)
    for (const piece of pieces) {
      socket.arrive(piece)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await quiet(socket)
    const written = socket.written
    const state = socket.isEnded || socket.isClosed ? 'ended' : 'open'
    const answer = readAnswer(written)

    socket.arrive(null)
    await quiet(socket)
    const lingers = !socket.isClosed
    port.close()
    await quiet(socket)
    if (!socket.isClosed) throw new Error(`peer and port have gone, and the socket is kept (${state} before)`)
    readAnswer(socket.written)
    checkUnhandled()
    return { answer, outcome: { written: withoutChance(answer, written), state, lingers } }
  } finally {
    socket.destroy()
    port.close()
  }
}

function withoutChance(answer: Answer, written: Buffer): string {
  if (answer.kind === 'tls') return answer.recordTypes.join()
  const isUpgraded = answer.kind === 'http' && answer.frames.length > 0
  const text = isUpgraded ? headOf(written) + joined(answer.frames) : written.toString('latin1')
  return text.replaceAll(/\r\nDate: [^\r]*/g, '').replaceAll(/auto-0-[0-9a-f]{16}/g, 'assigned')
}

/** The responses up to the one that is followed by frames. */
function headOf(written: Buffer): string {
  const upgrade = written.indexOf('HTTP/1.1 101 ')
  return written.toString('latin1', 0, written.indexOf('\r\n\r\n', upgrade))
}

/** Binary frames that follow each other as one: what is written in a turn of the event loop shares a frame. */
function joined(frames: readonly Frame[]): string {
  let text = ''
  for (const [at, { opcode, payload }] of frames.entries()) {
    const goesOn = opcode === BINARY && frames[at - 1]?.opcode === BINARY
    text += `${goesOn ? '' : `\n${opcode}:`}${payload.toString('latin1')}`
  }
  return text
}
