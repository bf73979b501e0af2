/**
 * Texts with values in them: `home/{id}/temperature`. A name in braces is a value, `{{` is a brace. What stands in
 * braces and is no name, as in JSON, is left as it is.
 *
 * A payload may also be a mapping or a list, which is sent as JSON. In it a text that is one value and nothing else
 * becomes that value with its type: `{ t: "{temperature}" }` is `{"t":21.5}`.
 */
import type { Value } from './values.js'

/** Looks a value up by its name. */
export type LookUp = (name: string) => Value

/** What can be made of a template. */
export interface Template {
  /** The names in it, each once. */
  readonly names: ReadonlySet<string>
  render(lookUp: LookUp): string
}

/** A mapping, a list, or one of the values that YAML has. */
export type Tree = Value | readonly Tree[] | { readonly [key: string]: Tree }

type Part = { readonly text: string } | { readonly name: string }

const PART = /\{\{|\{([A-Za-z_]\w*)\}/g

/** A text with values. */
export function textTemplate(text: string): Template {
  const parts = partsOf(text)
  return {
    names: namesOf(parts),
    render: (lookUp) =>
      parts.map((part) => ('text' in part ? part.text : String(lookUp(part.name)))).join(''),
  }
}

/** A payload: a text, or what is sent as JSON. */
export function payloadTemplate(tree: Tree): Template {
  if (typeof tree === 'string') return textTemplate(tree)
  const filler = fillerOf(tree)
  return { names: filler.names, render: (lookUp) => JSON.stringify(filler.fill(lookUp)) }
}

interface Filler {
  readonly names: ReadonlySet<string>
  fill(lookUp: LookUp): Tree
}

function fillerOf(tree: Tree): Filler {
  if (typeof tree === 'string') return stringFiller(tree)
  if (tree === null || typeof tree !== 'object') return { names: new Set(), fill: () => tree }
  const entries = Object.entries(tree).map(([key, child]) => [key, fillerOf(child)] as const)
  const names = new Set(entries.flatMap(([, { names: inner }]) => [...inner]))
  if (Array.isArray(tree)) return { names, fill: (lookUp) => entries.map(([, child]) => child.fill(lookUp)) }
  return {
    names,
    fill: (lookUp) => Object.fromEntries(entries.map(([key, child]) => [key, child.fill(lookUp)])),
  }
}

function stringFiller(text: string): Filler {
  const parts = partsOf(text)
  const [only] = parts
  if (parts.length === 1 && only !== undefined && 'name' in only)
    return { names: new Set([only.name]), fill: (lookUp) => lookUp(only.name) }
  const template = textTemplate(text)
  return { names: template.names, fill: (lookUp) => template.render(lookUp) }
}

function partsOf(text: string): Part[] {
  const parts: Part[] = []
  let from = 0
  for (const match of text.matchAll(PART)) {
    if (match.index > from) parts.push({ text: text.slice(from, match.index) })
    parts.push(match[1] === undefined ? { text: '{' } : { name: match[1] })
    from = match.index + match[0].length
  }
  if (from < text.length) parts.push({ text: text.slice(from) })
  return parts
}

function namesOf(parts: readonly Part[]): Set<string> {
  return new Set(parts.flatMap((part) => ('name' in part ? [part.name] : [])))
}
