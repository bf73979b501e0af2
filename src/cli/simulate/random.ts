/** Numbers that look random and are the same again for the same seed. Not for secrets. */

/** From 0, to below 1. */
export type Random = () => number

/** A source of its own for each part of a simulation, so that none depends on when another one draws. */
export function randomOf(seed: number, ...path: readonly (string | number)[]): Random {
  return mulberry32(hash(`${seed}/${path.join('/')}`))
}

/** Mulberry32 by Tommy Ettinger: small, and even enough for temperatures. */
function mulberry32(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193)
  return value >>> 0
}
