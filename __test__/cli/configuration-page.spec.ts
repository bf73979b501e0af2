import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { configurationSchema } from '../../src/cli/config-schema.js'
import { loadSettings } from '../../src/cli/configuration.js'
import { readEnvironment } from '../../src/cli/environment.js'
import { authenticateUsers, readUsers, scramForUsers } from '../../src/cli/users.js'
import { knownPaths } from '../../src/validate.js'
import { makeCertificate } from '../support/certificates.js'
import { temporaryDirectory } from '../support/temporary.js'

const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')

/** A fenced block of a language, the first one unless it is said which. */
function block(language: string, number = 0): string {
  const blocks = [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))]
  const text = blocks[number]?.[1]
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

  it('shows commands that make hashes which let in, one of them with SCRAM too', async () => {
    for (const [number, hasScram] of [false, true].entries()) {
      const hash = execFileSync('sh', ['-c', block('sh', number)], { encoding: 'utf8' }).trim()
      const request = { clientId: 'c', username: 'alice', password: Buffer.from('the password') }
      const users = readUsers({ alice: hash })
      expect(await authenticateUsers(users, false)(request as never)).toBe(true)
      expect(scramForUsers(users) !== undefined).toBe(hasScram)
    }
    const { users } = parse(block('yaml')) as { users: Record<string, string> }
    expect([...readUsers(users).keys()]).toEqual(['alice'])
  })
})
