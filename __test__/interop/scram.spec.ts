/** SCRAM-SHA-256 end to end: MQTT.js with a SCRAM client of its own behind `handleAuth`, over TCP and over WebSocket. */
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Broker, deriveScramCredentials, type ScramCredentials, scramSha256 } from '../../src/index.js'
import { ScramClient } from '../support/scram-client.js'

const METHOD = 'SCRAM-SHA-256'

type AuthPacket = Parameters<MqttClient['handleAuth']>[0]

let broker: Broker
const connected: (string | undefined)[] = []

beforeAll(async () => {
  const users = new Map<string, ScramCredentials>([
    ['ann', await deriveScramCredentials('pencil')],
    ['b,=b', await deriveScramCredentials('stylus')],
  ])
  broker = await Broker.start({
    port: 0,
    host: '127.0.0.1',
    enhancedAuthentication: { [METHOD]: scramSha256({ credentials: (username) => users.get(username) }) },
    authenticate: () => false,
    authorizePublish: ({ client, topicName }) => topicName === `of/${client.username}`,
  })
  broker.on('connect', ({ username }) => connected.push(username))
})

afterAll(() => broker.close({ drainTimeoutMs: 0 }))

interface LoggedIn {
  readonly client: MqttClient
  /** Whether CONNACK came from somebody who knows the password too. */
  readonly isServer: boolean
}

/** MQTT.js has a hook for what the client answers, and nothing to begin a re-authentication with. */
class ScramMqttClient {
  readonly client: MqttClient
  #scram: ScramClient
  #onAuthenticated: ((isServer: boolean) => void) | undefined

  constructor(url: string, username: string, password: string, options: IClientOptions) {
    this.#scram = new ScramClient(username, password)
    this.client = mqtt.connect(url, {
      protocolVersion: 5,
      reconnectPeriod: 0,
      properties: { authenticationMethod: METHOD, authenticationData: this.#scram.first },
      ...options,
    })
    this.client.handleAuth = (packet, callback) => {
      const data = packet.properties?.authenticationData as Buffer
      if (packet.reasonCode === 0x18) callback(undefined, this.#auth(0x18, this.#scram.answer(data)))
      else {
        this.#onAuthenticated?.(this.#scram.isServer(data))
        callback()
      }
    }
  }

  logIn(): Promise<LoggedIn> {
    return new Promise((resolve, reject) => {
      this.client.once('error', reject)
      this.client.once('connect', ({ properties }) => {
        const data = properties?.authenticationData as Buffer | undefined
        resolve({ client: this.client, isServer: this.#scram.isServer(data) })
      })
    })
  }

  /** The broker's last words, verified. */
  authenticateAgain(username: string, password: string): Promise<boolean> {
    this.#scram = new ScramClient(username, password)
    const client = this.client as unknown as { _sendPacket(packet: AuthPacket): void }
    client._sendPacket(this.#auth(0x19, this.#scram.first))
    return new Promise((resolve, reject) => {
      this.#onAuthenticated = resolve
      this.client.once('disconnect', ({ reasonCode }) => reject(new Error(`DISCONNECT ${reasonCode}`)))
    })
  }

  #auth(reasonCode: number, authenticationData: Buffer): AuthPacket {
    return { cmd: 'auth', reasonCode, properties: { authenticationMethod: METHOD, authenticationData } }
  }
}

describe.each(['mqtt', 'ws'])('MQTT.js over %s://', (scheme) => {
  const dial = (username: string, password: string, options: IClientOptions = {}) =>
    new ScramMqttClient(`${scheme}://127.0.0.1:${broker.addresses[0]?.port}`, username, password, options)

  it.each([
    ['ann', 'pencil'],
    ['b,=b', 'stylus'],
  ])('logs in as %s, who is who publishes, and knows the broker', async (username, password) => {
    const { client, isServer } = await dial(username, password).logIn()
    expect(isServer).toBe(true)
    expect(connected.at(-1)).toBe(username)
    await client.publishAsync(`of/${username}`, 'x', { qos: 1 })
    await expect(client.publishAsync('of/somebody', 'x', { qos: 1 })).rejects.toMatchObject({ code: 0x87 })
    await client.endAsync()
  })

  it('is refused with a wrong password and with a name that nobody has, in the same words', async () => {
    for (const [username, password] of [
      ['ann', 'pen'],
      ['nobody', 'pencil'],
    ] as const) {
      await expect(dial(username, password).logIn()).rejects.toMatchObject({ code: 0x87 })
    }
  })

  it('proves itself again on the same connection, and is thrown out where it cannot', async () => {
    const dialled = dial('ann', 'pencil')
    const { client } = await dialled.logIn()
    expect(await dialled.authenticateAgain('ann', 'pencil')).toBe(true)
    await client.publishAsync('of/ann', 'x', { qos: 1 })
    await expect(dialled.authenticateAgain('ann', 'pen')).rejects.toThrow(`DISCONNECT ${0x87}`)
    await client.endAsync(true)

    const other = dial('ann', 'pencil')
    await other.logIn()
    await expect(other.authenticateAgain('b,=b', 'stylus')).rejects.toThrow(`DISCONNECT ${0x87}`)
    await other.client.endAsync(true)
  })

  it('without a method is left to authenticate, which refuses here', async () => {
    const client = mqtt.connect(`${scheme}://127.0.0.1:${broker.addresses[0]?.port}`, {
      protocolVersion: 5,
      reconnectPeriod: 0,
      username: 'ann',
      password: 'pencil',
    })
    const error = await new Promise((resolve) => client.once('error', resolve))
    expect(error).toMatchObject({ code: 0x86 })
    await client.endAsync(true)
  })
})
