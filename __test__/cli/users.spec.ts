import { describe, expect, it } from 'vitest'
import {
  authenticateUsers,
  hashPassword,
  parsePasswordHash,
  readUsers,
  scramForUsers,
} from '../../src/cli/users.js'
import type { AuthenticateRequest, AuthenticationStep } from '../../src/hooks/types.js'
import { ScramClient } from '../support/scram-client.js'
import { temporaryFile } from '../support/temporary.js'

/** Made with cheap parameters, so that tests do not wait: N = 16, `secret`. */
const CHEAP = '$scrypt$ln=4,r=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$TuX7jZa5MUSS/Mk7kV8t2bjKDB/7QPPHwrT6zWrpDIM'

/** `pencil`, with the salt and the iterations of RFC 7677's example. */
const SCRAM =
  '$scram-sha-256$i=4096$W22ZaJ0SNY7soEsUEjb6gQ$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY$wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU'

function login(username?: string, password?: string): AuthenticateRequest {
  return {
    clientId: 'c',
    remoteAddress: '127.0.0.1:5',
    protocol: 'mqtt',
    version: 5,
    cleanStart: true,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: Buffer.from(password) }),
  } as AuthenticateRequest
}

describe('password hashes', () => {
  it('are PHC strings with a salt of their own, and verify', async () => {
    const [one, other] = await Promise.all([hashPassword('secret'), hashPassword('secret')])
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    expect(one).not.toBe(other)
    const authenticate = authenticateUsers(readUsers({ alice: one }), false)
    expect(await authenticate(login('alice', 'secret'))).toBe(true)
    expect(await authenticate(login('alice', 'Secret'))).toBe(false)
  })

  it.each([
    ['a password in the clear', 'secret'],
    ['another method', '$argon2i$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA'],
    ['a cost beyond reason', CHEAP.replace('ln=4,r=1', 'ln=30,r=8')],
    ['a cost of nothing', CHEAP.replace('r=1', 'r=0')],
    ['a hash cut short', CHEAP.slice(0, -30)],
    ['SCRAM with too few iterations', SCRAM.replace('4096', '4095')],
    ['SCRAM with iterations beyond reason', SCRAM.replace('4096', '10000001')],
    ['SCRAM without a key', SCRAM.slice(0, SCRAM.lastIndexOf('$'))],
    ['SCRAM with a key cut short', SCRAM.slice(0, -2)],
    ['another SCRAM', SCRAM.replace('sha-256', 'sha-1')],
  ])('%s is not one', (_, text) => {
    expect(parsePasswordHash(text)).toBeUndefined()
  })
})

describe('authenticateUsers', () => {
  const users = readUsers({ alice: CHEAP })

  it.each([
    ['the right password', login('alice', 'secret'), true],
    ['a wrong password', login('alice', 'wrong'), false],
    ['no password', login('alice'), false],
    ['an empty password', login('alice', ''), false],
    ['a name that nobody has, with a password that somebody has', login('bob', 'secret'), false],
    ['no name', login(), false],
  ])('%s', async (_, request, expected) => {
    expect(await authenticateUsers(users, false)(request)).toBe(expected)
  })

  it('checks a password against SCRAM keys too', async () => {
    const authenticate = authenticateUsers(readUsers({ alice: CHEAP, bob: SCRAM }), false)
    expect(await authenticate(login('bob', 'pencil'))).toBe(true)
    for (const password of ['pencils', 'secret', '', '\u0007', undefined]) {
      expect(await authenticate(login('bob', password)), password).toBe(false)
    }
    expect(await authenticate(login('alice', 'pencil'))).toBe(false)
    for (const nobody of ['carol', 'dave', 'erin', 'frank']) {
      expect(await authenticate(login(nobody, 'pencil'))).toBe(false)
    }
  })

  it('lets clients without a name in when anonymous ones are allowed, and still checks names', async () => {
    const authenticate = authenticateUsers(users, true)
    expect(await authenticate(login())).toBe(true)
    expect(await authenticate(login('bob', 'x'))).toBe(false)
  })

  it('lets nobody in when there are no users', async () => {
    expect(await authenticateUsers(new Map(), false)(login('alice', 'secret'))).toBe(false)
  })
})

describe('scramForUsers', () => {
  const request = { method: 'SCRAM-SHA-256', isReAuthentication: false, clientId: 'c' } as const
  const users = readUsers({ alice: CHEAP, bob: SCRAM })

  async function logIn(username: string, password: string): Promise<AuthenticationStep | undefined> {
    const client = new ScramClient(username, password)
    const method = scramForUsers(users)
    const exchange = method?.start({ ...request, remoteAddress: 'memory', protocol: 'memory' })
    const challenge = await exchange?.step(client.first)
    if (typeof challenge !== 'object' || !('status' in challenge)) return challenge
    return exchange?.step(client.answer(Buffer.from(challenge.data ?? '')))
  }

  it('lets those in whose entries have the keys of SCRAM, and refuses others alike', async () => {
    expect(await logIn('bob', 'pencil')).toMatchObject({ status: 'success', username: 'bob' })
    const refused = await logIn('bob', 'pen')
    expect(refused).toMatchObject({ reasonCode: 0x87 })
    expect(await logIn('alice', 'secret')).toEqual(refused)
    expect(await logIn('nobody', 'pencil')).toEqual(refused)
  })

  it('tells a name that nobody has the same after a restart, in the form of the others', async () => {
    const client = new ScramClient('nobody', 'x')
    const challenge = async () => {
      const exchange = scramForUsers(users)?.start({ ...request, remoteAddress: 'm', protocol: 'memory' })
      const said = await exchange?.step(client.first)
      return /s=.*/.exec(typeof said === 'object' && 'status' in said ? `${said.data}` : '')?.[0]
    }
    expect(await challenge()).toMatch(/^s=[A-Za-z0-9+/]{22}==,i=4096$/)
    expect(await challenge()).toBe(await challenge())
  })

  it('is not there where nobody has such an entry', () => {
    expect(scramForUsers(readUsers({ alice: CHEAP }))).toBeUndefined()
  })
})

describe('readUsers', () => {
  it('reads a users file over the users of the configuration', () => {
    const path = temporaryFile(
      'users',
      `# people\n\nbob:${CHEAP}\r\nalice:${CHEAP.replace('ln=4', 'ln=5')}\n`,
    )
    const users = readUsers({ alice: CHEAP }, path)
    expect([...users.keys()]).toEqual(['alice', 'bob'])
    expect(users.get('alice')).toMatchObject({ logN: 5 })
  })

  it('names the line that is wrong, and does not repeat what stands there', () => {
    const path = temporaryFile('users', `bob:${CHEAP}\nalice:secret\n`)
    expect(() => readUsers({}, path)).toThrow(/users:2: this is not a password hash/)
    expect(() => readUsers({}, path)).not.toThrow(/secret/)
    expect(() => readUsers({}, temporaryFile('users', 'nobody\n'))).toThrow(/users:1: a line is a user name/)
    expect(() => readUsers({ alice: 'secret' })).toThrow(/^users\.alice: this is not a password hash/)
  })

  it('says why a users file cannot be read', () => {
    expect(() => readUsers({}, '/nowhere')).toThrow(
      'The users file /nowhere cannot be read: there is no such file.',
    )
  })
})
