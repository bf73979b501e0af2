import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { configurationSchema } from '../../src/cli/config-schema.js'
import { loadSettings } from '../../src/cli/configuration.js'
import { readEnvironment } from '../../src/cli/environment.js'
import { readUsers } from '../../src/cli/users.js'
import { knownPaths } from '../../src/validate.js'
import { makeCertificate } from '../support/certificates.js'
import { temporaryDirectory } from '../support/temporary.js'

const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')

/** The first fenced block of a language. */
function block(language: string): string {
  const text = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page)?.[1]
  if (text === undefined) throw new Error(`the page has no ${language} block`)
  return text
}

describe('docs/configuration.md', () => {
  it('shows a file that is accepted as it stands', async () => {
    const { cert, key } = await makeCertificate()
    const directory = temporaryDirectory({ 'cert.pem': cert, 'key.pem': key, 'a.yaml': block('yaml') })
    const { options } = loadSettings({}, {}, `${directory}/a.yaml`)
    expect(options).toMatchObject({ port: 1883, limits: { maximumPacketSizeBytes: 1_048_576 } })
  })

  it('speaks of every option', () => {
    const paths = knownPaths(configurationSchema).filter(
      (path) => !/^(\$schema|limits\.|listeners\.tls)/.test(path),
    )
    const unmentioned = paths.filter((path) => !page.includes(path.slice(path.lastIndexOf('.') + 1)))
    expect(unmentioned).toEqual([])
  })

  it('shows environment variables that are known', () => {
    const shown = [...page.matchAll(/`(TOPICWIRE_\w+)='?([^`']+)'?` \|$/gm)].map(([, name, value]) => [
      name,
      value,
    ])
    expect(shown).toHaveLength(5)
    expect(() => readEnvironment(Object.fromEntries(shown))).not.toThrow()
  })

  it('shows a hash that is one', () => {
    const { users } = parse(block('yaml')) as { users: Record<string, string> }
    expect([...readUsers(users).keys()]).toEqual(['alice'])
  })
})
