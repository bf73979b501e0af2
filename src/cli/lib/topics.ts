/** Topic names and filters on the command line: checked before anybody connects, and matched for `-T`. */
import { wrongUsage } from './exit.js'

const LONGEST_BYTES = 65_535

/** @throws Exit with 2 */
export function checkTopicName(topicName: string, flag: string): string {
  checkString(topicName, flag)
  if (/[+#]/.test(topicName)) {
    throw wrongUsage(`${flag}: ${topicName} has a wildcard in it; messages are published to one topic.`)
  }
  return topicName
}

/** @throws Exit with 2 */
export function checkTopicFilter(topicFilter: string, flag: string): string {
  checkString(topicFilter, flag)
  const levels = topicFilter.split('/')
  levels.forEach((level, index) => {
    if (level.includes('#') && (level !== '#' || index !== levels.length - 1)) {
      throw wrongUsage(`${flag}: in ${topicFilter} the # is not alone in the last level.`)
    }
    if (level.includes('+') && level !== '+') {
      throw wrongUsage(`${flag}: in ${topicFilter} a + is not alone in its level.`)
    }
  })
  return topicFilter
}

/** Whether a topic name fits a filter. Wildcards in the first level do not meet names that begin with $. */
export function matches(topicFilter: string, topicName: string): boolean {
  const filter = topicFilter.split('/')
  const name = topicName.split('/')
  if (topicName.startsWith('$') && (filter[0] === '#' || filter[0] === '+')) return false
  for (const [index, level] of filter.entries()) {
    // `a/#` is `a` too.
    if (level === '#') return true
    if (index >= name.length) return false
    if (level !== '+' && level !== name[index]) return false
  }
  return filter.length === name.length
}

function checkString(topic: string, flag: string): void {
  if (topic === '') throw wrongUsage(`${flag}: a topic has at least one character.`)
  if (Buffer.byteLength(topic) > LONGEST_BYTES) throw wrongUsage(`${flag}: a topic has at most 65535 bytes.`)
}
