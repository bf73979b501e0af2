/** Why a topic filter does not fit a topic that looks as if it should: the mistakes that people make. */

/** What is wrong with a filter as it stands; undefined where nothing is. */
export function mistakeIn(filter: string): string | undefined {
  if (filter === '') return 'a topic filter has at least one character'
  const levels = filter.split('/')
  if (levels.some((level) => level.includes('#') && level !== '#') || levels.slice(0, -1).includes('#')) {
    return '# stands alone in the last level, as in a/b/#'
  }
  if (levels.some((level) => level.includes('+') && level !== '+')) {
    return '+ stands alone in its level, as in a/+/c'
  }
  return undefined
}

/** Why `filter` does not match `topic`, if one small change would make it; undefined where they are further apart. */
export function nearMiss(filter: string, topic: string): string | undefined {
  const slim = (text: string): string => text.replace(/^\/+|\/+$/g, '')
  if (topic.startsWith('$') && /^[#+]/.test(filter)) {
    return fits(filter, topic)
      ? 'wildcards at the beginning do not match topics that begin with $'
      : undefined
  }
  if (fits(filter, topic)) return undefined
  if (filter.startsWith('/') !== topic.startsWith('/') && fits(slim(filter), slim(topic))) {
    return filter.startsWith('/')
      ? 'the filter begins with /, the topic does not'
      : 'the topic begins with /, the filter does not'
  }
  if (fits(slim(filter), slim(topic))) return 'one of them ends with a /, which makes it another topic'
  if (fits(filter.toLowerCase(), topic.toLowerCase())) return 'capitals count'
  if (fits(filter.replaceAll(/\s/g, ''), topic.replaceAll(/\s/g, ''))) return 'one of them has a space in it'
  if (/\*/.test(filter) && fits(filter.replace(/\*$/, '#').replaceAll('*', '+'), topic)) {
    return 'the wildcards of MQTT are + and #, not *'
  }
  if (fits(`${filter}/#`, topic)) return 'the topic is below the filter, which takes /# at its end'
  if (filter.includes('+') && fits(filter.replace(/\+$/, '#'), topic)) return '+ stands for exactly one level'
  const [distance, length] = [editDistance(filter, topic), Math.max(filter.length, topic.length)]
  if (!/[+#]/.test(filter) && distance <= Math.max(1, Math.floor(length / 8))) {
    return distance === 1 ? 'they differ in one character' : `they differ in ${distance} characters`
  }
  return undefined
}

/** Section 4.7, but for the rule about `$`. */
function fits(filter: string, topic: string): boolean {
  const [wanted, levels] = [filter.split('/'), topic.split('/')]
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true
    const other = levels[index]
    if (other === undefined || (level !== '+' && level !== other)) return false
  }
  return wanted.length === levels.length
}

/** Characters to insert, delete or replace. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= other.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}
