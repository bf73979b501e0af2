/** What the documentation test reads of a Markdown file: its fenced blocks by section, its headings, its links. */

/** A fenced block. Its info string is a language and words: `sh background`, `python file=examples/…`, `sh exit=2`. */
export interface Block {
  readonly language: string
  readonly words: ReadonlySet<string>
  /** `exit=2` gives `exit` the value `2`. */
  readonly values: ReadonlyMap<string, string>
  readonly text: string
  /** Of the fence, counted from 1. */
  readonly line: number
  /** What the `text` block right behind it shows, if there is one. */
  readonly expected: string | undefined
}

/** What stands under one heading, down to the next of any level. */
export interface Section {
  readonly title: string
  readonly blocks: readonly Block[]
}

export interface Markdown {
  readonly sections: readonly Section[]
  /** As GitHub makes them of headings. */
  readonly anchors: ReadonlySet<string>
  readonly links: readonly string[]
}

const FENCE = /^(\s*)(`{3,})\s*(.*)$/
const HEADING = /^#{1,6}\s+(.*?)\s*$/
const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g

/** @throws Error for a fence that is indented or never closed: it would not be run. */
export function parseMarkdown(source: string): Markdown {
  const sections: { title: string; blocks: Block[] }[] = [{ title: '', blocks: [] }]
  const anchors = new Set<string>()
  const links: string[] = []
  const lines = source.split('\n')
  /** The line behind the last block, for a `text` block to follow. */
  let behind = -1
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? ''
    const [, indent, fence, info = ''] = FENCE.exec(line) ?? []
    if (fence === undefined) {
      const title = HEADING.exec(line)?.[1]
      if (title !== undefined) {
        sections.push({ title, blocks: [] })
        anchors.add(anchorOf(title, anchors))
      }
      for (const [, target = ''] of line.matchAll(LINK)) links.push(target)
      continue
    }
    if (indent !== '') throw new Error(`line ${index + 1}: an indented block is not run; indent it less`)
    const end = lines.indexOf(fence, index + 1)
    if (end === -1) throw new Error(`line ${index + 1}: the block is never closed`)
    const text = lines.slice(index + 1, end).join('\n')
    const blocks = sections.at(-1)?.blocks ?? []
    const block = blockOf(info, text, index + 1)
    const previous = blocks.at(-1)
    if (block.language === 'text' && previous !== undefined && behind === index) {
      blocks[blocks.length - 1] = { ...previous, expected: text }
    } else {
      blocks.push(block)
    }
    behind = end + 1
    index = end
  }
  return { sections, anchors, links }
}

function blockOf(info: string, text: string, line: number): Block {
  const [language = '', ...rest] = info.split(/\s+/)
  const values = rest.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string])
  return {
    language,
    words: new Set(rest.filter((word) => !word.includes('='))),
    values: new Map(values),
    text,
    line,
    expected: undefined,
  }
}

function anchorOf(title: string, taken: ReadonlySet<string>): string {
  const anchor = title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-')
  let unique = anchor
  for (let count = 1; taken.has(unique); count += 1) unique = `${anchor}-${count}`
  return unique
}
