/** Payloads that say which message they are and show when a byte of them is wrong. */

export const LARGEST = 40_000

/** The id and a stop, again and again, as long as the message is. */
export function payloadOf({ id, size }) {
  const unit = `${id}.`
  return Buffer.alloc(Math.max(size, unit.length), unit)
}

/** The id of a payload, and whether all of it is as it was sent. */
export function readPayload(payload) {
  const id = Number.parseInt(payload.toString('latin1', 0, 16), 10)
  const isIntact = Number.isInteger(id) && payload.equals(payloadOf({ id, size: payload.length }))
  return { id, isIntact }
}
