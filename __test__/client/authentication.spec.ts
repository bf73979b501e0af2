/** Enhanced authentication from the client's side: SCRAM-SHA-256 with our broker, and servers that cannot prove themselves. */
import { once } from 'node:events'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  type Authentication,
  type AuthenticationMethod,
  type AuthenticationStep,
  type BrokerOptions,
  deriveScramCredentials,
  encode,
  type MqttError,
  PacketParser,
  type ScramCredentials,
  scramSha256,
  scramSha256Client,
} from '../../src/index.js'
import { until } from '../support/until.js'
import { client, collect, connected, next, serverThat, startBroker } from './support.js'

const METHOD = 'SCRAM-SHA-256'
let credentials: ScramCredentials
beforeAll(async () => {
  // Characters that SCRAM escapes, and that SASLprep changes.
  credentials = await deriveScramCredentials('Pencil\u00A0Ⅸ', { iterations: 4096 })
})

const ada = () => scramSha256Client({ username: 'a,d=a', password: 'Pencil IX' })

function scram(): AuthenticationMethod {
  return scramSha256({ credentials: (username) => (username === 'a,d=a' ? credentials : undefined) })
}

/** SCRAM whose last words are another's. `isWrong` is asked each time. */
function tampered(last: (data: string) => string | undefined, isWrong = () => true): AuthenticationMethod {
  const method = scram()
  return {
    start: (request) => {
      const exchange = method.start(request)
      return {
        step: async (data) => {
          const step = await exchange.step(data)
          if (typeof step !== 'object' || !('status' in step) || step.status !== 'success') return step
          if (!isWrong()) return step
          const words = last(`${step.data}`)
          const { data: _right, ...rest } = step
          return words === undefined ? rest : { ...rest, data: words }
        },
      }
    },
  }
}

const methods = (method: AuthenticationMethod): BrokerOptions => ({
  enhancedAuthentication: { [METHOD]: method },
})

describe('SCRAM-SHA-256', () => {
  test('logs in, each time anew, and again on the open connection', async () => {
    const { broker, url } = await startBroker(methods(scram()))
    const names: (string | undefined)[] = []
    broker.on('connect', ({ username }) => names.push(username))
    broker.on('reauthenticate', ({ username, reasonCode }) => names.push(`${username} again: ${reasonCode}`))
    const one = await connected(url, { clientId: 'ada', authentication: ada() })
    await one.reauthenticate()
    await one.reauthenticate()
    const back = next(one, 'connect')
    broker.disconnect('ada')
    await back
    await one.reauthenticate()
    expect(names).toEqual(['a,d=a', 'a,d=a again: 0', 'a,d=a again: 0', 'a,d=a', 'a,d=a again: 0'])
    expect(one.connected).toBe(true)
  })

  test('with a wrong password is refused by the server', async () => {
    const { url } = await startBroker(methods(scram()))
    const one = client(url, {
      reconnectPeriod: 0,
      authentication: scramSha256Client({ username: 'a,d=a', password: 'wrong' }),
    })
    const errors: unknown[] = []
    one.on('error', (error) => errors.push(error))
    await next(one, 'close')
    expect(errors).toMatchObject([{ code: 'ERR_MQTT_CONNECTION_REFUSED', reasonCode: 0x87 }])
  })

  const another = `v=${Buffer.alloc(32, 7).toString('base64')}`
  test.each([
    ['another signature', () => another, /signature of the server is wrong/],
    ['no signature', () => undefined, /final message is not there/],
    ['a signature that is none', () => 'v=AAAA', /signature is malformed/],
    ['a signature in another form of base64', (words: string) => `${words}=`, /signature is malformed/],
    ['an error', () => 'e=other-error', /the server names an error: other-error/],
    ['an extension that must be understood', (words: string) => `${words},m=x`, /not supported/],
  ] as const)('finds out a server with %s', async (_what, last, sentence) => {
    const { url } = await startBroker(methods(tampered(last)))
    const one = client(url, { authentication: ada() })
    const errors: MqttError[] = []
    let count = 0
    one.on('error', (error) => errors.push(error as MqttError))
    one.on('connect', () => {
      count += 1
    })
    // It tries again, and hears the same: one error each time.
    await next(one, 'close')
    await next(one, 'close')
    expect(errors).toHaveLength(2)
    for (const error of errors) {
      expect(error.code).toBe('ERR_MQTT_AUTHENTICATION')
      expect(error.message).toMatch(/^SCRAM-SHA-256 failed: .*\.$/)
      expect(error.message).toMatch(sentence)
    }
    expect(count).toBe(0)
  })

  test.each([
    ['that accepts at once', (_first: string): string | undefined => undefined, /accepts without a proof/],
    ['with a nonce of its own', () => 'r=mine,s=QUJDRA==,i=4096', /nonce is not the one/],
    ['that adds nothing to the nonce', (nonce: string) => `r=${nonce},s=QUJDRA==,i=4096`, /nonce is not/],
    ['that wants it cheap', (nonce: string) => `r=${nonce}x,s=QUJDRA==,i=1`, /asks for 1 iterations/],
    ['that wants it dear', (nonce: string) => `r=${nonce}x,s=QUJDRA==,i=4294967295`, /4294967295 iterations/],
    ['without a salt', (nonce: string) => `r=${nonce}x,s=,i=4096`, /salt is malformed/],
    ['with a salt that is none', (nonce: string) => `r=${nonce}x,s=*,i=4096`, /salt is malformed/],
    [
      'whose count is no number',
      (nonce: string) => `r=${nonce}x,s=QUJDRA==,i=4e3`,
      /iterations is malformed/,
    ],
    ['with an extension', (nonce: string) => `m=x,r=${nonce}x,s=QUJDRA==,i=4096`, /not supported/],
    ['that does not speak of it', () => 'hello', /nonce is malformed/],
  ] as const)('ends the exchange with a server %s', async (_what, challenge, sentence) => {
    const step = (data: Buffer | undefined): AuthenticationStep => {
      const [, nonce = ''] = /,r=(.+)$/.exec(`${data}`) ?? []
      const answer = challenge(nonce)
      return answer === undefined
        ? { status: 'success', username: 'a' }
        : { status: 'continue', data: answer }
    }
    const { url } = await startBroker(methods({ start: () => ({ step }) }))
    const one = client(url, { reconnectPeriod: 0, authentication: ada() })
    const errors: MqttError[] = []
    one.on('error', (error) => errors.push(error as MqttError))
    await next(one, 'close')
    expect(errors.map(({ code }) => code)).toEqual(['ERR_MQTT_AUTHENTICATION'])
    expect(errors[0]?.message).toMatch(sentence)
  })

  test('gives a server one proof for each nonce', async () => {
    const method = ada()
    const first = `${await method.start()}`
    const challenge = Buffer.from(`${first.slice('n,,n=a=2Cd=3Da,'.length)}x,s=QUJDRA==,i=4096`)
    expect(`${await method.next(challenge)}`).toMatch(/^c=biws,r=.+,p=.+$/)
    await expect(async () => method.next(challenge)).rejects.toThrow(/another proof/)
    await expect(async () => method.next(Buffer.from([0xff]))).rejects.toThrow(/not UTF-8/)
  })

  test.each([
    ['', 'x', 'username'],
    ['a', '', 'password'],
    ['a\0b', 'x', 'username'],
    ['a', 'b\u0007', 'password'],
  ])('does not take the name %j with the password %j', (username, password, what) => {
    expect(() => scramSha256Client({ username, password })).toThrow(
      expect.objectContaining({
        code: 'ERR_MQTT_INVALID_OPTION',
        message: expect.stringContaining(`The ${what} must`),
      }),
    )
  })
})

describe('a new authentication', () => {
  test('with a server that cannot prove itself rejects, and ends the connection with one error', async () => {
    let isWrong = false
    const { url } = await startBroker(
      methods(
        tampered(
          () => undefined,
          () => isWrong,
        ),
      ),
    )
    const one = await connected(url, { reconnectPeriod: 0, authentication: ada() })
    const errors: unknown[] = []
    one.on('error', (error) => errors.push(error))
    const closed = next(one, 'close')
    isWrong = true
    await expect(one.reauthenticate()).rejects.toMatchObject({
      code: 'ERR_MQTT_AUTHENTICATION',
      message: expect.stringMatching(/final message is not there/),
    })
    await closed
    expect(errors).toMatchObject([{ code: 'ERR_MQTT_AUTHENTICATION' }])
  })

  test('that the server refuses rejects with its Reason Code', async () => {
    let isKnown = true
    const method = scramSha256({ credentials: () => (isKnown ? credentials : undefined) })
    const { url } = await startBroker(methods(method))
    const one = await connected(url, { reconnectPeriod: 0, authentication: ada() })
    const told = once(one, 'disconnect')
    isKnown = false
    await expect(one.reauthenticate()).rejects.toMatchObject({
      code: 'ERR_MQTT_CONNECTION_REFUSED',
      reasonCode: 0x87,
      message: expect.stringMatching(
        /^The server ends the connection instead of agreeing: Not authorized \(0x87\)/,
      ),
    })
    expect(await told).toMatchObject([{ reasonCode: 0x87 }])
  })

  /** A server that lets everybody in, and then hears what the client says. */
  function listening(heard: (packet: { type: string }, write: (bytes: Uint8Array) => void) => void) {
    return serverThat((socket) => {
      const parser = new PacketParser()
      const properties = { authenticationMethod: 'plain' }
      socket.on('data', (bytes) => {
        for (const packet of parser.push(bytes)) {
          if (packet.type === 'connect') {
            socket.write(encode({ type: 'connack', reasonCode: 0, properties }, { protocolVersion: 5 }))
          } else heard(packet, (answer) => socket.write(answer))
        }
      })
    })
  }
  const plain: Authentication = { method: 'plain', start: () => undefined, next: () => undefined }

  // [MQTT-4.12.0-7]
  test('rejects when the connection is lost, when the client ends, and while another is under way', async () => {
    const socketsOf: (() => void)[] = []
    const { url } = await listening((packet) => {
      if (packet.type === 'auth') for (const whenAsked of socketsOf.splice(0)) whenAsked()
    })
    const one = await connected(url, { authentication: plain })
    const asked = new Promise<void>((resolve) => socketsOf.push(resolve))
    const first = one.reauthenticate()
    await expect(one.reauthenticate()).rejects.toMatchObject({ code: 'ERR_MQTT_AUTHENTICATION' })
    await asked
    const over = one.endAsync(true)
    await expect(first).rejects.toMatchObject({ code: 'ERR_MQTT_CONNECTION_LOST' })
    await over
    await expect(one.reauthenticate()).rejects.toMatchObject({ code: 'ERR_MQTT_NOT_CONNECTED' })
    const without = await connected((await startBroker()).url)
    await expect(without.reauthenticate()).rejects.toMatchObject({
      code: 'ERR_MQTT_AUTHENTICATION',
      message: expect.stringContaining('no option'),
    })
  })

  test('rejects where the method throws before it has begun, and the connection stays', async () => {
    const { url } = await listening(() => {})
    let count = 0
    const authentication: Authentication = {
      ...plain,
      start: () => {
        count += 1
        if (count > 1) throw new Error('no card')
        return undefined
      },
    }
    const one = await connected(url, { authentication })
    const error = await one.reauthenticate().catch((problem: unknown) => problem)
    expect(error).toMatchObject({ code: 'ERR_MQTT_AUTHENTICATION', cause: { message: 'no card' } })
    expect(one.connected).toBe(true)
  })
})

describe('a server that has not proved itself', () => {
  const rogue: Authentication = {
    method: 'proof',
    start: () => Buffer.from('who are you?'),
    next: () => undefined,
    finish: (data) => {
      if (`${data}` !== 'your server') throw new Error('a stranger')
    },
  }
  const connack = (words: string, isPresent: boolean): Buffer => {
    const properties = { authenticationMethod: 'proof', authenticationData: Buffer.from(words) }
    return encode(
      { type: 'connack', sessionPresent: isPresent, reasonCode: 0, properties },
      { protocolVersion: 5 },
    )
  }
  const auth = (words: string): Buffer => {
    const properties = { authenticationMethod: 'proof', authenticationData: Buffer.from(words) }
    return encode({ type: 'auth', reasonCode: 0, properties }, { protocolVersion: 5 })
  }
  const message = encode({ type: 'publish', topicName: 'news', payload: 'a lie' }, { protocolVersion: 5 })
  const truth = encode({ type: 'publish', topicName: 'news', payload: 'the truth' }, { protocolVersion: 5 })

  test.each([1, 3, 7, 1_000])(
    'settles nothing and is heard by nobody, in chunks of %i bytes; the right one goes on',
    async (size) => {
      let isRight = false
      const received: Buffer[] = []
      const { url } = await serverThat((socket, count) => {
        const parser = new PacketParser()
        socket.on('data', (bytes) => {
          for (const packet of parser.push(bytes)) {
            if (packet.type === 'connect') {
              const words = count === 0 || isRight ? 'your server' : 'believe me'
              // What a stranger says in one breath: let in, a lie, and that the message under way has arrived.
              const lies = [message, Buffer.from([0x40, 2, 0, 1])]
              const said = Buffer.concat([connack(words, count > 0), ...(count === 1 ? lies : [])])
              for (let at = 0; at < said.length; at += size) socket.write(said.subarray(at, at + size))
            } else if (packet.type === 'publish') {
              if (count === 0) socket.destroy()
              else {
                received.push(packet.payload)
                socket.write(Buffer.from([0x40, 2, 0, packet.packetId ?? 0]))
              }
            }
          }
        })
      })
      const one = await connected(url, { clean: false, clientId: 'careful', authentication: rogue })
      const messages = collect(one)
      const errors: MqttError[] = []
      one.on('error', (error) => {
        errors.push(error as MqttError)
        isRight = true
      })
      await one.publishAsync('a', 'precious', { qos: 1 })
      await until(() => received.length > 0, 'the message at the right server')
      expect(received.map(String)).toEqual(['precious'])
      expect(messages).toEqual([])
      expect(errors.map(({ code, cause }) => [code, (cause as Error).message])).toEqual([
        ['ERR_MQTT_AUTHENTICATION', 'a stranger'],
      ])
    },
  )

  // [MQTT-4.12.1-1, 4.12.0-5]
  test.each([1, 3, 7, 1_000])(
    'once more settles nothing and is heard by nobody, in chunks of %i bytes',
    async (size) => {
      const asked: unknown[] = []
      const { url } = await serverThat((socket, count) => {
        const parser = new PacketParser()
        const say = (...packets: Uint8Array[]): void => {
          const said = Buffer.concat(packets)
          for (let at = 0; at < said.length; at += size) socket.write(said.subarray(at, at + size))
        }
        socket.on('data', (bytes) => {
          for (const packet of parser.push(bytes)) {
            if (packet.type === 'connect') {
              say(connack('your server', count > 0), truth.subarray(0, 4))
            } else if (packet.type === 'auth') {
              asked.push([packet.reasonCode, packet.properties.authenticationMethod])
              // The proof stands in one chunk with the rest of a message, and with what follows it.
              if (asked.length === 1) say(truth.subarray(4), auth('your server'), truth)
              else say(truth, auth('believe me'), message, Buffer.from([0x40, 2, 0, 1]))
            }
          }
        })
      })
      const one = await connected(url, {
        clean: false,
        clientId: 'careful',
        authentication: rogue,
        reconnectPeriod: 0,
      })
      const messages = collect(one)
      const errors: MqttError[] = []
      one.on('error', (error) => errors.push(error as MqttError))
      await one.reauthenticate()
      await until(() => messages.length === 2, 'what the right server has said')
      let isSettled = false
      one.publish('a', 'precious', { qos: 1 }, () => {
        isSettled = true
      })
      const closed = next(one, 'close')
      await expect(one.reauthenticate()).rejects.toMatchObject({ code: 'ERR_MQTT_AUTHENTICATION' })
      await closed
      expect(asked).toEqual([
        [0x19, 'proof'],
        [0x19, 'proof'],
      ])
      expect(messages).toEqual(['news the truth', 'news the truth', 'news the truth'])
      expect(isSettled).toBe(false)
      expect(errors).toMatchObject([{ code: 'ERR_MQTT_AUTHENTICATION', cause: { message: 'a stranger' } }])
    },
  )
})
