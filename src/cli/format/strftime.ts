/** The conversions of strftime(3) in the C locale, for `@` in formats. */

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October'],
  ...['November', 'December'],
]
const DAY_MS = 86_400_000

type Conversion = (date: Date) => string

const conversions: Readonly<Record<string, Conversion>> = {
  a: (date) => dayOf(date).slice(0, 3),
  A: dayOf,
  b: (date) => monthOf(date).slice(0, 3),
  B: monthOf,
  c: all('a b e T Y'),
  C: (date) => pad(Math.floor(date.getFullYear() / 100)),
  d: (date) => pad(date.getDate()),
  D: all('m d y', '/'),
  e: (date) => pad(date.getDate(), 2, ' '),
  F: all('Y m d', '-'),
  g: (date) => pad(isoWeek(date).year % 100),
  G: (date) => String(isoWeek(date).year),
  h: (date) => monthOf(date).slice(0, 3),
  H: (date) => pad(date.getHours()),
  I: (date) => pad(hourOfTwelve(date)),
  j: (date) => pad(dayOfYear(date) + 1, 3),
  k: (date) => pad(date.getHours(), 2, ' '),
  l: (date) => pad(hourOfTwelve(date), 2, ' '),
  m: (date) => pad(date.getMonth() + 1),
  M: (date) => pad(date.getMinutes()),
  n: () => '\n',
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  P: (date) => (date.getHours() < 12 ? 'am' : 'pm'),
  r: all('T12 p'),
  R: all('H M', ':'),
  s: (date) => String(Math.floor(date.getTime() / 1_000)),
  S: (date) => pad(date.getSeconds()),
  t: () => '\t',
  T: all('H M S', ':'),
  T12: all('I M S', ':'),
  u: (date) => String(date.getDay() || 7),
  U: (date) => pad(weekOfYear(date, date.getDay())),
  V: (date) => pad(isoWeek(date).week),
  w: (date) => String(date.getDay()),
  W: (date) => pad(weekOfYear(date, (date.getDay() + 6) % 7)),
  x: all('m d y', '/'),
  X: all('H M S', ':'),
  y: (date) => pad(date.getFullYear() % 100),
  Y: (date) => String(date.getFullYear()),
  z: offsetOf,
  Z: zoneOf,
}

/** Whether there is a conversion of that letter. */
export function isTimeConversion(letter: string): boolean {
  return letter.length === 1 && letter in conversions
}

/** One conversion of a point in time, in local time. */
export function formatTime(letter: string, date: Date): string {
  return conversions[letter]?.(date) ?? ''
}

function all(letters: string, separator = ' '): Conversion {
  return (date) =>
    letters
      .split(' ')
      .map((letter) => formatTime(letter, date))
      .join(separator)
}

function pad(value: number, width = 2, filler = '0'): string {
  return String(value).padStart(width, filler)
}

function dayOf(date: Date): string {
  return DAYS[date.getDay()] ?? ''
}

function monthOf(date: Date): string {
  return MONTHS[date.getMonth()] ?? ''
}

function hourOfTwelve(date: Date): number {
  return date.getHours() % 12 || 12
}

/** Days since the first of January, which is 0. In UTC, whose days all have the same length. */
function dayOfYear(date: Date): number {
  const today = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate())
  return (today - Date.UTC(date.getFullYear(), 0, 1)) / DAY_MS
}

/** Weeks begun in this year; `dayOfWeek` counts from the week's first day. */
function weekOfYear(date: Date, dayOfWeek: number): number {
  return Math.floor((dayOfYear(date) + 7 - dayOfWeek) / 7)
}

/** ISO 8601: a week belongs to the year that has its Thursday. */
function isoWeek(date: Date): { year: number; week: number } {
  const dayOfWeek = date.getDay() || 7
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - dayOfWeek)
  return { year: thursday.getFullYear(), week: Math.floor(dayOfYear(thursday) / 7) + 1 }
}

function offsetOf(date: Date): string {
  const minutes = -date.getTimezoneOffset()
  const absolute = Math.abs(minutes)
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(absolute / 60))}${pad(absolute % 60)}`
}

function zoneOf(date: Date): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(date)
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? ''
}
