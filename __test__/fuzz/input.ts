/**
 * How the bytes of a fuzzer become choices. Past the end every choice is 0 and every stretch is empty, as in
 * `crates/fuzz/src/input.rs`.
 */
export class Input {
  #rest: Buffer

  constructor(data: Uint8Array) {
    this.#rest = Buffer.from(data)
  }

  get isEmpty(): boolean {
    return this.#rest.length === 0
  }

  byte(): number {
    return this.take(1)[0] ?? 0
  }

  flag(): boolean {
    return (this.byte() & 1) !== 0
  }

  /** One of so many, at most 256. */
  below(count: number): number {
    return this.byte() % count
  }

  /** One of these. */
  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0]
  }

  /** The next bytes, or as many as there are. */
  take(count: number): Buffer {
    const taken = this.#rest.subarray(0, count)
    this.#rest = this.#rest.subarray(count)
    return taken
  }

  /** What is left. */
  rest(): Buffer {
    return this.take(this.#rest.length)
  }
}

/** A stream cut into pieces of these lengths, over and over; in one piece where no length is more than 0. */
export function cut(stream: Buffer, lengths: Uint8Array): Buffer[] {
  const pieces: Buffer[] = []
  const useful = lengths.filter((length) => length > 0)
  let at = 0
  for (let index = 0; at < stream.length; index += 1) {
    const length = useful[index % useful.length] ?? stream.length
    pieces.push(stream.subarray(at, at + length))
    at += length
  }
  return pieces
}
