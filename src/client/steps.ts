/** The steps of an enhanced authentication, between `options.authentication` and the engine. */
import { encode } from '../codec/encode.js'
import type { Packet } from '../codec/packets.js'
import { MqttError } from '../errors.js'
import type { Authentication } from './authentication.js'
import { command } from './commands.js'
import type { Engine } from './engine.js'
import { refusal } from './failures.js'

const CONTINUE = 0x18
const RE_AUTHENTICATE = 0x19

/** Answers an AUTH of the server's. */
export async function stepOf(
  engine: Engine,
  authentication: Authentication | undefined,
  packet: Packet,
  fail: (error: MqttError) => void,
): Promise<void> {
  try {
    if (authentication === undefined) {
      throw new MqttError(
        'ERR_MQTT_AUTHENTICATION',
        'The server asks for the next step of an authentication, and the option `authentication` is not there.',
      )
    }
    const given = packet.type === 'auth' ? packet.properties.authenticationData : undefined
    const data = await authentication.next(given ?? Buffer.alloc(0))
    send(engine, authentication.method, CONTINUE, data, fail)
  } catch (cause) {
    fail(cause instanceof MqttError ? cause : new MqttError('ERR_MQTT_AUTHENTICATION', undefined, { cause }))
  }
}

/** Begins a new authentication on an open connection. */
export async function reauthenticate(
  engine: Engine,
  authentication: Authentication | undefined,
): Promise<void> {
  if (authentication === undefined) {
    throw new MqttError('ERR_MQTT_AUTHENTICATION', 'There is no option `authentication`.')
  }
  const data = await authentication.start()
  await new Promise<void>((resolve, reject) => {
    send(engine, authentication.method, RE_AUTHENTICATE, data, reject, resolve)
  })
}

function send(
  engine: Engine,
  authenticationMethod: string,
  reasonCode: number,
  authenticationData: Uint8Array | undefined,
  fail: (error: MqttError) => void,
  done = (): void => {},
): void {
  const properties = { authenticationMethod, authenticationData }
  command(engine, encode({ type: 'auth', reasonCode, properties }, { protocolVersion: 5 }), {
    accepted: done,
    refused: (code, words) => process.nextTick(fail, refusal(code, words, 'ERR_MQTT_INVALID_TOPIC_NAME')),
  })
}
