/**
 * Keeps the most recent problems. Whoever is not let in can cause as many as they like, so: equal ones are one with a
 * count, texts are cut, and no kind can push out all others.
 */
import type { Problem, ProblemReport } from './problem.js'
import { remedies } from './remedies.js'

/** How many are kept, and of those how many of one code. */
const MOST = 50
const MOST_OF_ONE_CODE = 12
const LONGEST_TEXT = 300
const LONGEST_NAME = 80
/** A problem that goes on is told again at most this often. */
const TELL_INTERVAL_MS = 10_000

interface Kept {
  problem: Problem
  toldAtMs: number
}

/** See the head of this file. */
export class ProblemRegistry {
  /** The most recent last. */
  readonly #kept = new Map<string, Kept>()
  readonly #tell: (problem: Problem) => void
  readonly #now: () => number
  #revision = 0

  /** `tell` is called with each new problem, and now and then with one that goes on. */
  constructor(tell: (problem: Problem) => void = () => {}, now: () => number = Date.now) {
    this.#tell = tell
    this.#now = now
  }

  /** The most recent first. */
  get list(): readonly Problem[] {
    return [...this.#kept.values()].map(({ problem }) => problem).reverse()
  }

  /** Another number after each report. */
  get revision(): number {
    return this.#revision
  }

  report(report: ProblemReport): void {
    const { code, remoteAddress, clientId } = report
    const key = keyOf(report)
    const before = this.#kept.get(key)
    const now = this.#now()
    const problem: Problem = {
      code,
      text: cut(report.text, LONGEST_TEXT),
      remedy: cut(report.remedy ?? remedies[code], LONGEST_TEXT),
      ...(remoteAddress !== undefined && { remoteAddress: cut(remoteAddress, LONGEST_NAME) }),
      ...(clientId !== undefined && clientId !== '' && { clientId: cut(clientId, LONGEST_NAME) }),
      firstAtMs: before?.problem.firstAtMs ?? now,
      lastAtMs: now,
      count: (before?.problem.count ?? 0) + 1,
    }
    const isNews = before === undefined || now - before.toldAtMs >= TELL_INTERVAL_MS
    this.#kept.delete(key)
    this.#kept.set(key, { problem, toldAtMs: isNews ? now : before.toldAtMs })
    if (before === undefined) this.#makeRoom(code)
    this.#revision += 1
    if (isNews) this.#tell(problem)
  }

  #makeRoom(code: string): void {
    const ofCode = [...this.#kept].filter(([, { problem }]) => problem.code === code)
    const [oldest] = ofCode.length > MOST_OF_ONE_CODE ? ofCode : []
    if (oldest !== undefined) this.#kept.delete(oldest[0])
    const [first] = this.#kept.size > MOST ? this.#kept.keys() : []
    if (first !== undefined) this.#kept.delete(first)
  }
}

/** Of one client or, where a peer may call itself anything, of one host. */
function keyOf({ code, clientId, remoteAddress }: ProblemReport): string {
  const isOfHost = remoteAddress !== undefined && remoteAddress !== ''
  const who = isOfHost ? `host ${remoteAddress.replace(/:\d+$/, '')}` : `client ${cut(clientId ?? '', 200)}`
  return `${code} ${who}`
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}
