/** Numbers, sizes and times in few characters. */

export function count(value: number): string {
  if (value < 10_000) return String(Math.round(value * 10) / 10)
  if (value < 1_000_000) return `${short(value / 1_000)} k`
  return `${short(value / 1_000_000)} M`
}

export function bytes(value: number): string {
  if (value < 1_000) return `${Math.round(value)} B`
  if (value < 1_000_000) return `${short(value / 1_000)} kB`
  if (value < 1_000_000_000) return `${short(value / 1_000_000)} MB`
  return `${short(value / 1_000_000_000)} GB`
}

export function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`
}

export function rate(value: number): string {
  if (value <= 0.04) return ''
  return `${value < 10 ? value.toFixed(1) : count(Math.round(value))}/s`
}

/** How long something has lasted: `12 s`, `3 min`, `5 h`, `2 d`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

export function timeOfDay(ms: number): string {
  return new Date(ms).toLocaleTimeString(undefined, { hour12: false })
}

function short(value: number): string {
  return value < 100 ? value.toFixed(1) : String(Math.round(value))
}
