/**
 * The load of the Rust benches (`crates/topics/benches/common`): five levels, of ten filters seven exact, two with a `+`
 * and one with a `#`. Topics are drawn with a fixed seed.
 */

/** The name of the device that filter number `number` is about. */
export function topicOf(number) {
  const [tenant, site, area] = [number % 7, Math.floor(number / 7) % 11, Math.floor(number / 77) % 13]
  return `tenant${tenant}/site${site}/area${area}/device${number}/temperature`
}

export function filterOf(number) {
  const levels = topicOf(number).split('/')
  if (number % 10 === 0) levels[4] = '#'
  if (number % 10 === 1) levels[4] = '+'
  if (number % 10 === 2) levels[2] = '+'
  return levels.join('/')
}

/** Numbers below `bound`, the same ones each time. */
export function draw(count, bound) {
  let state = 1
  return Array.from({ length: count }, () => {
    // Numerical Recipes' linear congruential generator: enough to pick topics with.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  })
}

/**
 * Strings as they come from a parser: made anew from bytes, so that none of them has been looked up before and none has
 * its hash yet.
 */
export function fresh(topics) {
  return topics.map((topic) => Buffer.from(topic).latin1Slice())
}
