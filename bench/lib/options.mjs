/** Options of the bench's commands: parsed, checked, and complained about in one sentence. */
import { parseArgs } from 'node:util'
import { Stop } from '../../scripts/lib/project.mjs'

/** What the command line says. @throws Stop with the usage for an option that does not exist */
export function parseOptions(settings, usage) {
  try {
    return parseArgs({ options: settings }).values
  } catch (error) {
    throw new Stop([error.message, usage], 2)
  }
}

export function positive(name, text) {
  const value = Number(text)
  if (!(value > 0)) throw new Stop([`--${name} wants a number above 0, not ${text}.`], 2)
  return value
}

/** The named ones of a list, in the list's order; all of it when none are named. */
export function pick(what, list, names) {
  if (names === undefined) return list
  const wanted = names.split(',')
  for (const name of wanted) {
    if (list.some((entry) => entry.name === name)) continue
    throw new Stop([`There is no ${what} ${name}: ${list.map((entry) => entry.name).join(', ')}.`], 2)
  }
  return list.filter((entry) => wanted.includes(entry.name))
}
