/**
 * Which version a connection is tried with. Without a choice of the user's it is 5.0; where a server does not take that
 * it is 3.1.1, and stays so while that works.
 *
 * A server of 3.1.1 may say that it does not know 5.0, with the code of either version, or answer in a form that 5.0 does
 * not have, or close. The last two are also what a broken server does: when 3.1.1 fails too, 5.0 is next again.
 */
import type { ProtocolVersion } from '../hooks/types.js'
import type { Closing } from './engine-listener.js'

const UNSUPPORTED_PROTOCOL_VERSION = 0x84

export class Versions {
  readonly #isFree: boolean
  #current: ProtocolVersion
  #hasWorked = false

  /** `needsV5`: something was asked for that no other version has. */
  constructor(chosen: ProtocolVersion | undefined, needsV5: boolean) {
    this.#isFree = chosen === undefined && !needsV5
    this.#current = chosen ?? 5
  }

  get current(): ProtocolVersion {
    return this.#current
  }

  worked(): void {
    this.#hasWorked = true
  }

  /** A connection ended before its CONNACK. True where another version is to be tried at once. */
  failed(closing: Closing | undefined): boolean {
    if (!this.#isFree) return false
    if (this.#current === 4) {
      if (!this.#hasWorked) this.#current = 5
      return false
    }
    if (!mayMeanVersion(closing)) return false
    // 5.0 has worked here: only plain words count.
    if (this.#hasWorked && closing?.reasonCode !== UNSUPPORTED_PROTOCOL_VERSION) return false
    this.#hasWorked = false
    this.#current = 4
    return true
  }
}

function mayMeanVersion(closing: Closing | undefined): boolean {
  if (closing === undefined) return true
  return (
    closing.kind === 'fault' ||
    (closing.kind === 'refused' && closing.reasonCode === UNSUPPORTED_PROTOCOL_VERSION)
  )
}
