/**
 * What a problem is: something that went wrong between the broker and a peer, or in the broker, in words for whoever
 * operates it. Which there are, with what helps, is remedies.ts; how they are kept registry.ts; from where they come
 * watch.ts.
 */
import type { ProblemCode } from './remedies.js'

export type { ProblemCode } from './remedies.js'

/** What is told about something that has gone wrong. */
export interface ProblemReport {
  readonly code: ProblemCode
  /** One sentence: what happened. */
  readonly text: string
  /** What helps, where that is more than what remedies.ts says about the code. */
  readonly remedy?: string
  readonly remoteAddress?: string
  /** As the client called itself. */
  readonly clientId?: string
}

/** A problem as it is kept: equal ones are one, with their number. */
export interface Problem {
  readonly code: ProblemCode
  /** One sentence: what happened, the last time. */
  readonly text: string
  /** One sentence: what helps. */
  readonly remedy: string
  /** Of the last time. */
  readonly remoteAddress?: string
  readonly clientId?: string
  /** Milliseconds since 1970. */
  readonly firstAtMs: number
  readonly lastAtMs: number
  /** How often. */
  readonly count: number
}
