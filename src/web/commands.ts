/**
 * Reads the commands of `/live`: docs/web-protocol.md. A command comes out checked, so that whoever carries it out
 * need not look at a type again; what is wrong with one is a `CommandError`, which becomes an `error` for its sender.
 *
 * Written by hand: it runs for each frame, and the members are few.
 */
import type { ErrorCode } from '../errors.js'
import {
  base64,
  binary,
  type Check,
  flag,
  isWhole,
  pairs,
  payload,
  quote,
  retained,
  text,
  topicFilter,
  topicName,
  whole,
  will,
} from './members.js'

/** What both ways of saying a payload have in common. */
interface WithPayload {
  readonly payload?: string
  readonly payloadBase64?: string
}

/** What may be said about a message beside its payload. */
export interface MessageMembers {
  readonly contentType?: string
  readonly responseTopic?: string
  readonly correlationData?: string
  readonly messageExpiryIntervalSecs?: number
  readonly userProperties?: readonly (readonly [string, string])[]
}

export interface ConnectCommand {
  readonly type: 'connect'
  readonly id?: number
  readonly clientId?: string
  readonly username?: string
  readonly password?: string
  readonly cleanStart?: boolean
  readonly sessionExpiryIntervalSecs?: number
  readonly receiveMaximum?: number
  readonly will?: WillMembers
}

export interface WillMembers extends WithPayload {
  readonly topic: string
  readonly qos?: 0 | 1
  readonly retain?: boolean
  readonly delaySecs?: number
}

export interface SubscribeCommand {
  readonly type: 'subscribe'
  readonly id?: number
  readonly filter: string
  readonly qos?: 0 | 1
  readonly retained?: boolean | 'new'
  readonly noLocal?: boolean
  readonly retainAsPublished?: boolean
  readonly subscription?: number
}

export interface UnsubscribeCommand {
  readonly type: 'unsubscribe'
  readonly id?: number
  readonly filter: string
}

export interface PublishCommand extends WithPayload, MessageMembers {
  readonly type: 'publish'
  readonly id?: number
  readonly topic: string
  readonly qos?: 0 | 1
  readonly retain?: boolean
}

export interface RequestCommand
  extends WithPayload,
    Pick<MessageMembers, 'contentType' | 'messageExpiryIntervalSecs' | 'userProperties'> {
  readonly type: 'request'
  readonly id: number
  readonly topic: string
  readonly timeoutMs?: number
}

export interface AckCommand {
  readonly type: 'ack'
  readonly id?: number
  readonly ack: number
}

export interface PingCommand {
  readonly type: 'ping'
  readonly id?: number
}

export interface DisconnectCommand {
  readonly type: 'disconnect'
  readonly id?: number
  readonly sessionExpiryIntervalSecs?: number
}

export type Command =
  | ConnectCommand
  | SubscribeCommand
  | UnsubscribeCommand
  | PublishCommand
  | RequestCommand
  | AckCommand
  | PingCommand
  | DisconnectCommand

/** Why a command is not carried out. The connection goes on. */
export class CommandError extends Error {
  readonly code: ErrorCode
  readonly reasonCode: number
  /** Of the command, where it has one that can be used. */
  readonly id: number | undefined

  constructor(code: ErrorCode, reasonCode: number, text: string, id?: number) {
    super(text)
    this.code = code
    this.reasonCode = reasonCode
    this.id = id
  }
}

const MALFORMED_PACKET = 0x81
const PROTOCOL_ERROR = 0x82
const UINT16 = 65_535
const UINT32 = 4_294_967_295
const LARGEST_SUBSCRIPTION = 268_435_455
const LONGEST_TIMER_MS = 2_147_483_647

/**
 * Reads one frame.
 *
 * @throws CommandError
 */
export function parseCommand(data: Buffer, isBinary: boolean): Command {
  if (isBinary) throw malformed('A command is a text frame with a JSON object; this was a binary frame.')
  let value: unknown
  try {
    value = JSON.parse(data.toString())
  } catch {
    throw malformed('A command is a JSON object; this frame is not JSON.')
  }
  return checkCommand(value)
}

/**
 * Checks what a frame says. A command that comes back is the very object.
 *
 * @throws CommandError
 */
export function checkCommand(value: unknown): Command {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed('A command is a JSON object with a type.')
  }
  const command = value as Record<string, unknown>
  const id = isWhole(command.id, 1, Number.MAX_SAFE_INTEGER) ? command.id : undefined
  // An object that was parsed from JSON has a member of each name of its own, or inherits what no shape knows.
  const shape = typeof command.type === 'string' ? shapes.get(command.type) : undefined
  if (shape === undefined) {
    throw new CommandError('ERR_MQTT_PROTOCOL_ERROR', PROTOCOL_ERROR, `type is one of ${TYPES}.`, id)
  }
  for (const name of Object.keys(command)) {
    const check = shape.members.get(name)
    if (check === undefined) {
      throw wrong(`${String(command.type)} has no member ${quote(name)}.`, id)
    }
    const problem = check(command[name])
    if (problem !== undefined)
      throw new CommandError(problem.code, problem.reasonCode, `${name} ${problem.text}.`, id)
  }
  for (const name of shape.required) {
    if (command[name] === undefined) throw wrong(`${String(command.type)} needs ${name}.`, id)
  }
  if (command.noLocal === true && (command.filter as string).startsWith('$share/')) {
    // [MQTT-3.8.3-4]
    throw wrong('noLocal does not go with a shared subscription.', id)
  }
  if (shape.hasPayload) checkPayload(command, String(command.type), id)
  if (command.will !== undefined) checkPayload(command.will as object, 'will', id)
  return command as unknown as Command
}

/** The bytes or the text of a checked payload. */
export function payloadOf({ payload, payloadBase64 }: WithPayload): string | Buffer {
  return payload ?? Buffer.from(payloadBase64 ?? '', 'base64')
}

function checkPayload(given: WithPayload, name: string, id: number | undefined): void {
  if ((given.payload === undefined) === (given.payloadBase64 === undefined)) {
    throw wrong(`${name} needs either payload or payloadBase64.`, id)
  }
}

interface Shape {
  readonly members: ReadonlyMap<string, Check>
  readonly required: readonly string[]
  readonly hasPayload: boolean
}

const anything: Check = () => undefined
const id = whole(1, Number.MAX_SAFE_INTEGER)
const qos = whole(0, 1)

function shape(members: Record<string, Check>, required: readonly string[] = []): Shape {
  const all: [string, Check][] = [['type', anything], ['id', id], ...Object.entries(members)]
  return {
    members: new Map(all),
    required,
    hasPayload: members.payload !== undefined && members.will === undefined,
  }
}

const message = {
  payload,
  payloadBase64: base64,
  contentType: text,
  messageExpiryIntervalSecs: whole(0, UINT32),
  userProperties: pairs,
}
const shapes = new Map<string, Shape>([
  [
    'connect',
    shape({
      clientId: text,
      username: text,
      password: text,
      cleanStart: flag,
      sessionExpiryIntervalSecs: whole(0, UINT32),
      receiveMaximum: whole(1, UINT16),
      will,
    }),
  ],
  [
    'subscribe',
    shape(
      {
        filter: topicFilter,
        qos,
        retained,
        noLocal: flag,
        retainAsPublished: flag,
        subscription: whole(1, LARGEST_SUBSCRIPTION),
      },
      ['filter'],
    ),
  ],
  ['unsubscribe', shape({ filter: topicFilter }, ['filter'])],
  [
    'publish',
    shape(
      { ...message, topic: topicName, qos, retain: flag, responseTopic: topicName, correlationData: binary },
      ['topic'],
    ),
  ],
  [
    'request',
    shape({ ...message, topic: topicName, timeoutMs: whole(1, LONGEST_TIMER_MS) }, ['id', 'topic']),
  ],
  ['ack', shape({ ack: whole(1, Number.MAX_SAFE_INTEGER) }, ['ack'])],
  ['ping', shape({})],
  ['disconnect', shape({ sessionExpiryIntervalSecs: whole(0, UINT32) })],
])
const TYPES = [...shapes.keys()].join(', ')

function malformed(text: string): CommandError {
  return new CommandError('ERR_MQTT_MALFORMED_PACKET', MALFORMED_PACKET, text)
}

function wrong(text: string, id: number | undefined): CommandError {
  return new CommandError('ERR_MQTT_PROTOCOL_ERROR', PROTOCOL_ERROR, text, id)
}
