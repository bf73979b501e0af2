import { describe, expect, it } from 'vitest'
import { parsePasswordHash, verifyPassword } from '../../src/cli/passwords/password-hash.js'
import { Turnstile } from '../../src/cli/passwords/turnstile.js'
import { authenticateUsers, hashPassword, readUsers } from '../../src/cli/users.js'

/** From the tests of the reference implementation (phc-winner-argon2, test.c). */
const ARGON2ID = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'

/** Made by mosquitto_passwd 2.0.11 -H sha512 and -H sha512-pbkdf2: `secret`, and `pä:ss wörd`. */
const MOSQUITTO = [
  [
    'secret',
    '$6$9bo/FdYMNb9BGwSj$SqebuF1VdSphgNKDTjUK4Hgl8y5lqlBUOxz+8p1A8JHin7r5Xkoufzswzdl0xD+8UZynmX2enQC8I6FftLzcJA==',
  ],
  [
    'pä:ss wörd',
    '$6$SWMiFqh93YZ24dvH$VIKeFGSx18s7hxykeWFBvpEk/ghNVFOQyctA6WORttHsMDP20Z2QPKtWgFbz86ahb6cuQjLxMBXeXgJl2m3Liw==',
  ],
  [
    'secret',
    '$7$101$4UWRURUf+tluUhKd$QzhUa9KVLTGtfqjq/wOpfoZ8L6f0gyFrv5k/k6KnzNVLddAgdmE/WRZrDVH8afJkGhqjEWr4TwCfnErINx8v4w==',
  ],
  [
    'pä:ss wörd',
    '$7$101$8bzW3MBwnv53Eaeo$v1KL0uM6fEa+O4dBjU+JB+Ry13Pf8ZeO/VZg5jxRZBDgfrJiOE55HEHtlHV8feNaZXCTUQPIc8PkHb46sFRhlw==',
  ],
] as const

/** N = 16: a thousand of them take a moment. */
const CHEAP = '$scrypt$ln=4,r=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$TuX7jZa5MUSS/Mk7kV8t2bjKDB/7QPPHwrT6zWrpDIM'

async function verify(text: string, password: string): Promise<boolean> {
  const hash = parsePasswordHash(text)
  if (hash === undefined) throw new Error(`${text} is no hash`)
  return verifyPassword(Buffer.from(password), hash)
}

describe('argon2id', () => {
  it('verifies what the reference implementation has made', async () => {
    expect(await verify(ARGON2ID, 'password')).toBe(true)
    expect(await verify(ARGON2ID, 'Password')).toBe(false)
  })

  it('does not block the event loop', async () => {
    let turns = 0
    const timer = setInterval(() => {
      turns += 1
    }, 1)
    await verify(ARGON2ID.replace('m=256', 'm=19456'), 'password')
    clearInterval(timer)
    expect(turns).toBeGreaterThan(2)
  })

  it.each([
    ['another variant', ARGON2ID.replace('argon2id', 'argon2i')],
    ['another version', ARGON2ID.replace('v=19', 'v=16')],
    ['more memory than there should be', ARGON2ID.replace('m=256', 'm=9999999')],
    ['too little memory for its lanes', ARGON2ID.replace('m=256', 'm=7')],
    ['more passes than anybody waits for', ARGON2ID.replace('m=256,t=2', 'm=19456,t=9999')],
    ['no lanes', ARGON2ID.replace('p=1', 'p=0')],
  ])('%s is not one', (_, text) => {
    expect(parsePasswordHash(text)).toBeUndefined()
  })
})

describe("Mosquitto's hashes", () => {
  it.each(MOSQUITTO)('%s has %s', async (password, text) => {
    expect(await verify(text, password)).toBe(true)
    expect(await verify(text, `${password}.`)).toBe(false)
  })

  it.each([
    ['no iterations', MOSQUITTO[2][1].replace('$101$', '$0$')],
    ['iterations beyond reason', MOSQUITTO[2][1].replace('$101$', '$99999999$')],
    ['a hash cut short', MOSQUITTO[0][1].slice(0, -4)],
    ['another kind', MOSQUITTO[0][1].replace('$6$', '$5$')],
  ])('%s is not one', (_, text) => {
    expect(parsePasswordHash(text)).toBeUndefined()
  })
})

describe('hashPassword', () => {
  it.each(['argon2id', 'scrypt', 'scram-sha-256'] as const)('makes %s that verifies', async (kind) => {
    const text = await hashPassword('secret', kind)
    expect(parsePasswordHash(text)?.kind).toBe(kind)
    expect(await verify(text, 'secret')).toBe(true)
    expect(await verify(text, 'Secret')).toBe(false)
  })
})

describe('a flood of log-ins', () => {
  it('lets few in at a time, in their order, and turns away those beyond the queue', async () => {
    const turnstile = new Turnstile(2, 3)
    const releases: (() => void)[] = []
    const begun: number[] = []
    const answers = [0, 1, 2, 3, 4, 5, 6].map((number) =>
      turnstile.pass(async () => {
        begun.push(number)
        await new Promise<void>((resolve) => releases.push(resolve))
        return number
      }),
    )
    expect(await Promise.all(answers.slice(5))).toEqual([undefined, undefined])
    expect(begun).toEqual([0, 1])
    while (begun.length < 5) {
      releases.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    for (const release of releases) release()
    expect(await Promise.all(answers.slice(0, 5))).toEqual([0, 1, 2, 3, 4])
    expect(begun).toEqual([0, 1, 2, 3, 4])
    expect(await turnstile.pass(async () => 'again')).toBe('again')
  })

  it('goes on when a check fails', async () => {
    const turnstile = new Turnstile(1, 1)
    await expect(turnstile.pass(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await turnstile.pass(async () => 1)).toBe(1)
  })

  it('is told that the server is busy', async () => {
    const authenticate = authenticateUsers(readUsers({ alice: CHEAP }), false)
    const request = {
      clientId: 'c',
      remoteAddress: 'm',
      protocol: 'memory',
      version: 5,
      cleanStart: true,
    } as const
    const wrong = { ...request, username: 'alice', password: Buffer.from('x') }
    // Two are checked and a thousand wait; this is one more.
    const last = Array.from({ length: 1_003 }, () => authenticate(wrong)).at(-1)
    expect(await last).toMatchObject({ reasonCode: 0x89 })
  })
})
