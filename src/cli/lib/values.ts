/** Values of options, checked: each function is an argument parser for commander. */
import { InvalidArgumentError } from 'commander'

/** A whole number between two bounds. */
export function wholeNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= minimum && value <= maximum)) {
      throw new InvalidArgumentError(`It is a whole number from ${minimum} to ${maximum}.`)
    }
    return value
  }
}

/** Seconds, with a fraction if need be. */
export function seconds(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= 0 && value <= 2_000_000)) throw new InvalidArgumentError('It is a number of seconds.')
  return value
}

/** Percent, more than none. */
export function percentage(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value > 0 && value <= 100)) throw new InvalidArgumentError('It is more than 0 and at most 100.')
  return value
}

export function qosOf(text: string): 0 | 1 | 2 {
  if (text === '0' || text === '1' || text === '2') return Number(text) as 0 | 1 | 2
  throw new InvalidArgumentError('QoS is 0, 1 or 2.')
}

/** The versions of MQTT under the numbers that they have in CONNECT. */
export type ProtocolVersion = 3 | 4 | 5

const VERSIONS: ReadonlyMap<string, ProtocolVersion> = new Map<string, ProtocolVersion>([
  ...(['5', '5.0', 'mqttv5'] as const).map((word): [string, ProtocolVersion] => [word, 5]),
  ...(['311', '3.1.1', '4', 'mqttv311'] as const).map((word): [string, ProtocolVersion] => [word, 4]),
  ...(['31', '3.1', '3', 'mqttv31'] as const).map((word): [string, ProtocolVersion] => [word, 3]),
])

export function protocolVersionOf(text: string): ProtocolVersion {
  const version = VERSIONS.get(text.toLowerCase())
  if (version === undefined) throw new InvalidArgumentError('It is 5, 311 or 31.')
  return version
}

/** Seconds until a session ends; -1 and ∞ mean never. */
export function sessionExpiryOf(text: string): number {
  if (text === '-1' || text === '∞') return 4_294_967_295
  return wholeNumber(0, 4_294_967_295)(text)
}

/** Every use of an option adds one. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}
