/** An answer to one of the core's questions, and how the core is told. */
import type { NativeBroker, NativeRefusal, NativeReplacement } from './native.js'

/**
 * What the core is told about a question: a number as `NativeBroker.decide` has it, a refusal in words, Response
 * Information for a client that is let in, another message, or a place for each filter of a SUBSCRIBE.
 */
export type Answer =
  | number
  | NativeRefusal
  | { readonly responseInformation: string }
  | NativeReplacement
  | (NativeRefusal | undefined)[]

/** Tells the core. @returns a status */
export function tellAnswer(
  native: NativeBroker,
  id: number,
  token: number,
  answer: Answer,
  now: number,
): number {
  if (typeof answer === 'number') return native.decide(id, token, answer, now)
  if (Array.isArray(answer)) return native.decideFilters(id, token, answer, now)
  if ('reasonCode' in answer) return native.decideRefuse(id, token, answer, now)
  if ('responseInformation' in answer) return native.decideAccept(id, token, answer.responseInformation, now)
  return native.decideReplace(id, token, answer, now)
}
