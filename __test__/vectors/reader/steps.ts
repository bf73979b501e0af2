/** The lines of a conversation. README.md says what each does. */
import { connectNotation } from './connect.js'
import type { Version } from './notation.js'
import { Pattern } from './pattern.js'

/** What a line says. A client that has no connection opens one with its first `connects` or `sends`. */
export type Action =
  | {
      readonly does: 'connects'
      readonly client: string
      readonly connect: Pattern
      readonly connack: Pattern
    }
  | { readonly does: 'sends' | 'gets'; readonly client: string; readonly packets: Pattern }
  | { readonly does: 'getsAny'; readonly client: string; readonly packets: readonly Pattern[] }
  | { readonly does: 'quiet' | 'drops'; readonly client: string }
  /** `disconnect` is absent where nothing must come before the end, as in 3.x. */
  | { readonly does: 'closed'; readonly client: string; readonly disconnect: Pattern | undefined }
  | { readonly does: 'wait'; readonly ms: number }

export interface Step {
  /** As it stands in the file, for whoever reads the failure. */
  readonly text: string
  readonly action: Action
}

/** Reads the steps of an exchange for one version. @throws SyntaxError for the first line that says nothing. */
export function parseSteps(text: string, version: Version): Step[] {
  const lines = text.split('\n').map(withoutComment)
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      try {
        return { text: line, action: parseAction(line, version) }
      } catch (error) {
        throw new SyntaxError(`${line}: ${(error as Error).message}`)
      }
    })
}

/** Cuts what follows a `#` that is neither inside of quotes nor part of a word. */
function withoutComment(line: string): string {
  return line.replace(/("[^"]*"|'[^']*')|(?<!\S)#.*/g, '$1').trim()
}

function parseAction(line: string, version: Version): Action {
  const [, who = '', verb = '', what = ''] = /^(\S+)\s+(\S+)\s*(.*)$/.exec(line) ?? []
  if (who === 'wait' && /^\d+$/.test(verb) && what === 'ms') return { does: 'wait', ms: Number(verb) }
  const pattern = (source: string) => new Pattern(source, version)
  switch (verb) {
    case 'connects': {
      const { connect, connack } = connectNotation(who, what, version)
      return { does: 'connects', client: who, connect: pattern(connect), connack: pattern(connack) }
    }
    case '>':
      return { does: 'sends', client: who, packets: pattern(what) }
    case '<':
      return { does: 'gets', client: who, packets: pattern(what) }
    case '<any':
      return { does: 'getsAny', client: who, packets: splitPackets(what).map(pattern) }
    case 'quiet':
    case 'drops':
      if (what !== '') break
      return { does: verb, client: who }
    case 'closed': {
      const disconnect = what === '' ? undefined : pattern(`e0 [ ${what} ~ ]`)
      return { does: 'closed', client: who, disconnect: version === '5.0' ? disconnect : undefined }
    }
  }
  throw new SyntaxError('nothing that a client does')
}

/** Cuts at each `;` outside of quotes. */
function splitPackets(text: string): string[] {
  return text.match(/(?:"[^"]*"|'[^']*'|[^;"'])+/g) ?? []
}
