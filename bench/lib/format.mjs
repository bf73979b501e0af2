/** Figures as people read them. */

/** A median with its spread, `8.2 [7.9–9.1]`; one value alone when there is no spread; a dash for none. */
export function withSpread(value, format) {
  if (value === undefined) return '–'
  const { median, min, max } = value
  return min === max ? format(median) : `${format(median)} [${format(min)}–${format(max)}]`
}

/** The median alone. */
export function medianOf(value, format) {
  return value === undefined ? '–' : format(value.median)
}

/** Three digits and a unit: `134 k`, `9.62 M`. */
export function count(value) {
  if (value >= 999_500) return `${digits(value / 1e6)} M`
  return value >= 999.5 ? `${digits(value / 1e3)} k` : digits(value)
}

export function bytesPerSecond(value) {
  return value >= 1e9 ? `${digits(value / 1e9)} GB/s` : `${digits(value / 1e6)} MB/s`
}

export function micros(value) {
  return value < 10 ? value.toFixed(2) : value.toFixed(1)
}

export function whole(value) {
  return value.toFixed(0)
}

export function times(value) {
  return `${value < 0.1 ? value.toFixed(3) : value < 10 ? value.toFixed(2) : value.toFixed(1)}x`
}

export function percent(share) {
  return `${(share * 100).toFixed(0)} %`
}

export function kibibytes(bytes) {
  return (bytes / 1024).toFixed(1)
}

export function mebibytes(bytes) {
  return (bytes / 2 ** 20).toFixed(0)
}

function digits(value) {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2)
}
