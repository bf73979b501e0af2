/** A figure with its spread over the rounds of a run. */

/** Of several measurements of one thing. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** undefined for no values. */
export function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined
  const sorted = [...values].sort((one, other) => one - other)
  const at = (index: number): number => sorted[index] ?? 0
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2
  return { median, min: at(0), max: at(sorted.length - 1) }
}

/** `8.2 [7.9–9.1]`; one value where there is no spread; a dash for none. */
export function spreadText(value: Spread | undefined, format: (value: number) => string): string {
  if (value === undefined) return '–'
  const [median, min, max] = [value.median, value.min, value.max].map(format)
  return min === max ? `${median}` : `${median} [${min}–${max}]`
}

/** Three digits: `0.123`, `12.3`, `123`. */
export function digits(value: number): string {
  if (value === 0) return '0'
  if (Math.abs(value) >= 99.95) return value.toFixed(0)
  if (Math.abs(value) >= 9.995) return value.toFixed(1)
  return value.toFixed(Math.abs(value) >= 0.9995 ? 2 : 3)
}

/** `12.3 k`, `1.23 M`. */
export function count(value: number): string {
  if (value >= 999_500) return `${digits(value / 1e6)} M`
  return value >= 9_995 ? `${digits(value / 1e3)} k` : value.toFixed(0)
}

/** Both of one round are not known any more, so that the ends are those that are possible. */
export function added(one: Spread | undefined, other: Spread | undefined): Spread | undefined {
  if (one === undefined || other === undefined) return undefined
  return {
    median: one.median + other.median,
    min: one.min + other.min,
    max: one.max + other.max,
  }
}

export function scaled(value: Spread | undefined, factor: number): Spread | undefined {
  if (value === undefined) return undefined
  return { median: value.median * factor, min: value.min * factor, max: value.max * factor }
}
