/** SCRAM-SHA-256 against the example of RFC 7677, and against clients that are wrong or worse. */
import { beforeAll, describe, expect, it } from 'vitest'
import {
  deriveScramCredentials,
  type ScramCredentials,
  type ScramOptions,
  scramSha256,
  scramWithNonces,
} from '../../src/hooks/scram.js'
import type {
  AuthenticationExchange,
  AuthenticationMethod,
  AuthenticationStep,
} from '../../src/hooks/types.js'
import { clientFinal } from '../support/scram-client.js'

const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
const CLIENT_NONCE = 'rOprNGfwEbeRWgbNEkqO'
const SERVER_NONCE = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
const NONCE = CLIENT_NONCE + SERVER_NONCE

let pencil: ScramCredentials

beforeAll(async () => {
  pencil = await deriveScramCredentials('pencil', { salt: SALT, iterations: 4096 })
})

const request = {
  method: 'SCRAM-SHA-256',
  isReAuthentication: false,
  clientId: 'c',
  remoteAddress: 'memory',
  protocol: 'memory',
} as const

function method(options: Partial<ScramOptions> = {}): AuthenticationMethod {
  const credentials = (username: string) => (username === 'user' ? pencil : undefined)
  return scramWithNonces({ credentials, decoy: { iterations: 4096 }, ...options }, () => SERVER_NONCE)
}

function start(options: Partial<ScramOptions> = {}): AuthenticationExchange {
  return method(options).start(request)
}

function textOf(step: AuthenticationStep): string {
  if (typeof step === 'object' && 'status' in step) return `${step.status} ${step.data ?? ''}`
  return typeof step === 'object' ? `refused ${step.reasonCode} ${step.reason}` : `${step}`
}

/** What the server says to each message in turn. */
async function conversation(
  messages: readonly string[],
  options: Partial<ScramOptions> = {},
): Promise<string[]> {
  const exchange = start(options)
  const said: string[] = []
  for (const message of messages) said.push(textOf(await exchange.step(Buffer.from(message))))
  return said
}

/** A whole log-in with that client; the server's last answer. */
async function logIn(
  header: string,
  bare: string,
  password = 'pencil',
  options: Partial<ScramOptions> & { extra?: string; headerAtLast?: string; nonce?: string } = {},
): Promise<AuthenticationStep> {
  const exchange = start(options)
  const challenge = await exchange.step(Buffer.from(header + bare))
  if (typeof challenge !== 'object' || !('status' in challenge)) return challenge
  const { extra = '', headerAtLast = header, nonce } = options
  const last = clientFinal(bare, `${challenge.data}`, password, { header: headerAtLast, nonce, extra })
  return exchange.step(Buffer.from(last))
}

describe('the example of RFC 7677', () => {
  it('comes out to the letter', async () => {
    const said = await conversation([
      `n,,n=user,r=${CLIENT_NONCE}`,
      `c=biws,r=${NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
    ])
    expect(said).toEqual([
      `continue r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
      'success v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    ])
  })

  it('is refused with one bit of the proof changed', async () => {
    const [, last] = await conversation([
      `n,,n=user,r=${CLIENT_NONCE}`,
      `c=biws,r=${NONCE},p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
    ])
    expect(last).toBe('refused 135 SCRAM: the user name or the password is wrong')
  })
})

describe('scramSha256', () => {
  const bare = `n=user,r=${CLIENT_NONCE}`

  it('lets in who knows the password, and says who it is', async () => {
    expect(await logIn('n,,', bare)).toMatchObject({ status: 'success', username: 'user' })
    expect(textOf(await logIn('n,,', bare, 'pencils'))).toMatch(/^refused 135 .* password is wrong$/)
  })

  it('asks a client that says nothing at first to begin', async () => {
    const exchange = start()
    expect(await exchange.step(undefined)).toEqual({ status: 'continue' })
    expect(textOf(await exchange.step(Buffer.from(`n,,${bare}`)))).toMatch(/^continue r=/)
  })

  it('takes a client that could bind a channel, and none that insists on it or changes its mind', async () => {
    expect(await logIn('y,,', bare)).toMatchObject({ status: 'success' })
    expect(textOf(await logIn('p=tls-exporter,,', bare))).toMatch(/channel binding is not supported$/)
    expect(textOf(await logIn('y,,', bare, 'pencil', { headerAtLast: 'n,,' }))).toMatch(
      /another one than at first$/,
    )
  })

  it('lets nobody act for another user', async () => {
    expect(await logIn('n,a=user,', bare)).toMatchObject({ status: 'success' })
    expect(textOf(await logIn('n,a=admin,', bare))).toMatch(/act for another user$/)
  })

  it('reads commas and equals signs in names, and SASLpreps them', async () => {
    const asked: string[] = []
    const credentials = (username: string) => {
      asked.push(username)
      return pencil
    }
    for (const name of ['a=2Cb=3Dc', '=3D2C', 'I\u00adX', '\u2168']) {
      const step = await logIn('n,,', `n=${name},r=${CLIENT_NONCE}`, 'pencil', { credentials })
      expect(step).toMatchObject({ status: 'success', username: asked.at(-1) })
    }
    expect(asked).toEqual(['a,b=c', '=2C', 'IX', 'IX'])
  })

  it('takes a nonce only as it was made', async () => {
    for (const nonce of [CLIENT_NONCE, SERVER_NONCE, `${NONCE}x`, NONCE.slice(0, -1)]) {
      expect(textOf(await logIn('n,,', bare, 'pencil', { nonce }))).toMatch(/not the one of this exchange$/)
    }
  })

  it('passes extensions over, unless they must be understood', async () => {
    expect(await logIn('n,,', `${bare},x=1`, 'pencil', { extra: ',y=2' })).toMatchObject({
      status: 'success',
    })
    expect(textOf(await logIn('n,,', `m=1,${bare}`))).toMatch(/not supported$/)
    expect(textOf(await logIn('n,,', bare, 'pencil', { extra: ',m=1' }))).toMatch(/not supported$/)
  })

  it.each([
    '',
    'n',
    'n,',
    'n,,',
    'n,,n=user',
    'n,,n=user,',
    'n,,n=user,r=',
    'n,,n=,r=abc',
    'n,,n=us=er,r=abc',
    'n,,n=us=2cer,r=abc',
    'n,,n=us\0er,r=abc',
    'n,,n=\u0007,r=abc',
    'n,,n=user,r=a\u00e9',
    'n,,n=user,r=a b',
    'n,,n=user,r=abc,=',
    'n,a=,n=user,r=abc',
    'n,a=us=er,n=user,r=abc',
    'x,,n=user,r=abc',
    'p=,,n=user,r=abc',
    'n,,r=abc,n=user',
  ])('refuses the first message %j', async (message) => {
    const [said] = await conversation([message])
    expect(said).toMatch(/^refused 135 SCRAM: /)
  })

  it.each([
    ['nothing', ''],
    ['no proof', `c=biws,r=${NONCE}`],
    ['an empty proof', `c=biws,r=${NONCE},p=`],
    ['a short proof', `c=biws,r=${NONCE},p=${Buffer.alloc(31).toString('base64')}`],
    ['a proof that is not base64', `c=biws,r=${NONCE},p=${'!'.repeat(44)}`],
    ['the fields the other way round', `r=${NONCE},c=biws,p=${Buffer.alloc(32).toString('base64')}`],
    ['no channel binding', `r=${NONCE},p=${Buffer.alloc(32).toString('base64')}`],
    ['a broken extension', `c=biws,r=${NONCE},xy,p=${Buffer.alloc(32).toString('base64')}`],
  ])('refuses a final message with %s', async (_, message) => {
    const [, said] = await conversation([`n,,${bare}`, message])
    expect(said).toMatch(/^refused 135 SCRAM: /)
  })

  it('refuses messages that are not UTF-8', async () => {
    const exchange = start()
    expect(textOf(await exchange.step(Buffer.from([0x6e, 0x2c, 0x2c, 0xff])))).toMatch(/not UTF-8$/)
    const other = start()
    await other.step(Buffer.from(`n,,${bare}`))
    expect(textOf(await other.step(Buffer.from([0xff])))).toMatch(/not UTF-8$/)
    const silent = start()
    await silent.step(Buffer.from(`n,,${bare}`))
    expect(textOf(await silent.step(undefined))).toMatch(/not there/)
  })

  it('has another nonce for each exchange', async () => {
    const scram = scramSha256({ credentials: () => pencil })
    const first = await scram.start(request).step(Buffer.from(`n,,${bare}`))
    const second = await scram.start(request).step(Buffer.from(`n,,${bare}`))
    const nonceOf = (step: AuthenticationStep) => /r=([^,]+)/.exec(textOf(step))?.[1] ?? ''
    expect(nonceOf(first)).toMatch(new RegExp(`^${CLIENT_NONCE}[A-Za-z0-9+/]{24}$`))
    expect(nonceOf(first)).not.toBe(nonceOf(second))
  })
})

describe('a name that nobody has', () => {
  const first = (name: string) => `n,,n=${name},r=${CLIENT_NONCE}`

  it('is told what looks like the others, and the same each time', async () => {
    const options = { secret: Buffer.alloc(32, 1) }
    const [told] = await conversation([first('nobody')], options)
    const [real] = await conversation([first('user')], options)
    const shape = (text: string | undefined) => text?.replace(/s=[^,]+/, (salt) => `s=${salt.length}`)
    expect(shape(told)).toBe(shape(real))
    expect(told).not.toBe(real)
    expect(await conversation([first('nobody')], options)).toEqual([told])
    expect(await conversation([first('noone')], options)).not.toEqual([told])
    expect(await conversation([first('nobody')], { secret: Buffer.alloc(32, 2) })).not.toEqual([told])
  })

  it('is refused in the words of a wrong password', async () => {
    const step = await logIn('n,,', `n=nobody,r=${CLIENT_NONCE}`)
    expect(step).toEqual(await logIn('n,,', `n=user,r=${CLIENT_NONCE}`, 'wrong'))
  })

  it('is told the iterations and the length of salt that it is given', async () => {
    const [told] = await conversation([first('nobody')], { decoy: { iterations: 5000, saltBytes: 40 } })
    const [, salt = '', iterations] = /s=([^,]+),i=(\d+)$/.exec(told ?? '') ?? []
    expect([Buffer.from(salt, 'base64').length, iterations]).toEqual([40, '5000'])
  })
})

describe('credentials', () => {
  it('may come with a promise', async () => {
    const step = await logIn('n,,', `n=user,r=${CLIENT_NONCE}`, 'pencil', {
      credentials: () => Promise.resolve(pencil),
    })
    expect(step).toMatchObject({ status: 'success' })
  })

  it('have a salt of their own and as many iterations as RFC 7677 asks for', async () => {
    const [one, other] = await Promise.all([
      deriveScramCredentials('pencil'),
      deriveScramCredentials('pencil'),
    ])
    expect(Buffer.from(one.salt)).not.toEqual(Buffer.from(other.salt))
    expect(one.iterations).toBe(15_000)
    expect([one.salt.length, one.storedKey.length, one.serverKey.length]).toEqual([16, 32, 32])
  })

  it('are the same for passwords that SASLprep makes the same', async () => {
    expect(await deriveScramCredentials('pen\u00adcil', { salt: SALT, iterations: 4096 })).toEqual(pencil)
  })

  it.each([
    ['an empty password', '', {}, TypeError],
    ['a prohibited character', 'pen\u0007cil', {}, TypeError],
    ['too few iterations', 'pencil', { iterations: 4095 }, RangeError],
    ['iterations beyond reason', 'pencil', { iterations: 10_000_001 }, RangeError],
    ['a fraction', 'pencil', { iterations: 4096.5 }, RangeError],
    ['a short salt', 'pencil', { salt: Buffer.alloc(7) }, RangeError],
  ])('are not made of %s', async (_, password, options, error) => {
    await expect(deriveScramCredentials(password, options)).rejects.toThrow(error)
  })

  it("that are weak or malformed are the host's mistake", async () => {
    const first = Buffer.from(`n,,n=user,r=${CLIENT_NONCE}`)
    for (const wrong of [
      { ...pencil, iterations: 4095 },
      { ...pencil, storedKey: Buffer.alloc(20) },
      { ...pencil, salt: Buffer.alloc(0) },
    ]) {
      await expect(start({ credentials: () => wrong }).step(first)).rejects.toThrow(RangeError)
    }
    expect(() => method({ decoy: { iterations: 1 } })).toThrow(RangeError)
    expect(() => method({ decoy: { saltBytes: 65 } })).toThrow(RangeError)
  })
})
