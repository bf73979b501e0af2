/**
 * What a peer is told when the broker will not have it any longer, or not at all: a Reason Code, a sentence, and the
 * server to try instead. Checked here, for hooks and for whoever ends a connection.
 */
import { MqttError } from './errors.js'
import type { NativeRefusal } from './native.js'

/** How a connection is ended. MQTT 5.0 clients are told, in DISCONNECT; older ones only see the end. */
export interface Farewell {
  /** 0x80 to 0xFF. Default 0x9C, Use another server, with a `serverReference`. */
  readonly reasonCode?: number
  /**
   * One sentence: the Reason String. Control characters are escaped, as another peer may have written them. Left out where
   * the client does not take a packet of that size.
   */
  readonly reason?: string
  /**
   * Which server to use instead, for instance `mqtt2.example.org:1883`: the Server Reference. Only with 0x9C (Use
   * another server) and 0x9D (Server moved).
   */
  readonly serverReference?: string
}

const USE_ANOTHER_SERVER = 0x9c
const SERVER_MOVED = 0x9d
/** Of the fields of a control packet. */
const MOST_BYTES = 65_535

/**
 * Checks a farewell and fills its Reason Code in.
 *
 * @throws MqttError ERR_MQTT_INVALID_OPTION.
 */
export function resolveFarewell(given: Farewell, defaultReasonCode: number): NativeRefusal {
  const { serverReference } = given
  const reason = typeof given.reason === 'string' ? withoutControls(given.reason) : given.reason
  const reasonCode =
    given.reasonCode ?? (serverReference === undefined ? defaultReasonCode : USE_ANOTHER_SERVER)
  if (!Number.isInteger(reasonCode) || reasonCode < 0x80 || reasonCode > 0xff) {
    throw invalid(`reasonCode must be a whole number from 128 to 255, not ${String(reasonCode)}.`)
  }
  if (serverReference !== undefined && reasonCode !== USE_ANOTHER_SERVER && reasonCode !== SERVER_MOVED) {
    const said = reasonCode.toString(16).toUpperCase()
    throw invalid(
      `serverReference goes with 0x9C (Use another server) or 0x9D (Server moved), not with 0x${said}.`,
    )
  }
  checkText('reason', reason)
  checkText('serverReference', serverReference)
  return {
    reasonCode,
    ...(reason !== undefined && { reason }),
    ...(serverReference !== undefined && { serverReference }),
  }
}

/** @throws MqttError ERR_MQTT_INVALID_OPTION for what no control packet can carry. */
export function checkText(name: string, text: string | undefined): void {
  if (text === undefined) return
  if (typeof text !== 'string' || text.includes('\0') || Buffer.byteLength(text) > MOST_BYTES) {
    throw invalid(`${name} must be text of at most ${MOST_BYTES} bytes, without U+0000.`)
  }
}

/** The standard advises against control characters, and a log that shows the sentence does not want them either. */
function withoutControls(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function invalid(message: string): MqttError {
  return new MqttError('ERR_MQTT_INVALID_OPTION', message)
}
