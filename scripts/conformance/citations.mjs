/**
 * How a statement is named: by version and id together, since 5.0 and 3.1.1 use the same numbers for different rules.
 * A `key` is `5.0 MQTT-3.8.1-1` or `3.1.1 MQTT-3.8.1-1`, everywhere in these modules.
 */

export const versions = ['5.0', '3.1.1']

/** The key of a row. */
export function keyOf({ version, id }) {
  return `${version} ${id}`
}

/**
 * The keys that a text cites: `[MQTT-3.8.1-1]` and `[MQTT-3.8.1-1, 3.8.3-2]` are 5.0's, `v3.1.1 [MQTT-3.8.1-1]` is
 * 3.1.1's, also where a comment breaks the line in between.
 *
 * @returns {Set<string>}
 */
export function citedKeys(text) {
  const keys = new Set()
  for (const [, old, ids] of text.matchAll(
    /(v3\.1\.1[\s/*!#]+)?\[MQTT-([\d.]+-\d+(?:,[\s/*!#]+[\d.]+-\d+)*)\]/g,
  )) {
    for (const id of ids.match(/[\d.]+-\d+/g)) keys.add(`${old === undefined ? '5.0' : '3.1.1'} MQTT-${id}`)
  }
  return keys
}

/** The key of an entry of a vector's `statements`, which are written without brackets. */
export function statementKey(statement) {
  const old = /^v3\.1\.1 (.+)$/.exec(statement)
  return old === null ? `5.0 ${statement}` : `3.1.1 ${old[1]}`
}
