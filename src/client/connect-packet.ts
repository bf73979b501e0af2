/** CONNECT, from the options of a client. */
import { encode } from '../codec/encode.js'
import type { ProtocolVersion } from '../hooks/types.js'
import type { Login } from './dialer.js'
import type { CheckedOptions } from './options.js'
import { ownProperties } from './words.js'

const FOR_EVER = 0xffff_ffff

/** What changes from connection to connection. */
export interface ConnectParts {
  readonly version: ProtocolVersion
  readonly clientId: string
  readonly cleanStart: boolean
  readonly login: Login
  readonly authenticationData: Uint8Array | undefined
}

/** @throws MqttError ERR_MQTT_INVALID_PACKET for options that no CONNECT can carry. */
export function connectPacket(options: CheckedOptions, parts: ConnectParts): Buffer {
  const { will, authentication } = options
  const { version, clientId, cleanStart, login, authenticationData } = parts
  const properties = ownProperties({
    // A session that is kept in 3.1.1 is kept in 5.0 too.
    ...(!options.clean && { sessionExpiryInterval: FOR_EVER }),
    ...definedOnly(options.properties),
    ...(authentication !== undefined && {
      authenticationMethod: authentication.method,
      authenticationData,
    }),
  })
  return encode(
    {
      type: 'connect',
      protocolVersion: version,
      cleanStart,
      keepAliveSecs: options.keepalive,
      clientId,
      username: login.username ?? options.username,
      password: login.password ?? options.password,
      will:
        will === undefined
          ? undefined
          : {
              topicName: will.topic,
              payload: will.payload,
              qos: will.qos ?? 0,
              retain: will.retain ?? false,
              properties: ownProperties(will.properties),
            },
      properties,
    },
    { protocolVersion: version },
  )
}

function definedOnly(properties: object | undefined): object {
  return Object.fromEntries(Object.entries(properties ?? {}).filter(([, value]) => value !== undefined))
}

/** Whether something was asked for that only 5.0 has, and that cannot be left out. */
export function needsV5({ properties, authentication, clientId, clean }: CheckedOptions): boolean {
  const isAuthenticated = authentication !== undefined || properties?.authenticationMethod !== undefined
  return isAuthenticated || (clientId === '' && !clean)
}
