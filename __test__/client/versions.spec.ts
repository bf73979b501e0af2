/** Servers that do not know 5.0: each way in which they say so leads to 3.1.1, and what is merely broken does not stay there. */
import { once } from 'node:events'
import { expect, test } from 'vitest'
import type { MqttError } from '../../src/index.js'
import { client, next, serverThat } from './support.js'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
/** Where the protocol level of a CONNECT is, behind a Remaining Length of one byte. */
const LEVEL_AT = 8
const CONNACK_3 = hex('20 02 00 00')

test.each([
  ['with the Reason Code of 5.0', hex('20 03 00 84 00')],
  ['with the Return Code of 3.1.1', hex('20 02 00 01')],
  ['by closing', undefined],
])('a server that refuses 5.0 %s is spoken to in 3.1.1', async (_how, answer) => {
  const levels: number[] = []
  const { url } = await serverThat((socket) => {
    socket.once('data', (bytes: Buffer) => {
      const level = bytes[LEVEL_AT] ?? 0
      levels.push(level)
      if (level === 4) socket.write(CONNACK_3)
      else if (answer === undefined) socket.end()
      else socket.end(answer)
    })
  })
  const one = client(url)
  const errors: unknown[] = []
  one.on('error', (error) => errors.push(error))
  await next(one, 'connect')
  expect(levels).toEqual([5, 4])
  expect(errors).toEqual([])
  expect(one.protocolVersion).toBe(4)
})

test('a version that was chosen is kept', async () => {
  const levels: number[] = []
  const { url } = await serverThat((socket) => {
    socket.once('data', (bytes: Buffer) => {
      levels.push(bytes[LEVEL_AT] ?? 0)
      socket.end(hex('20 03 00 84 00'))
    })
  })
  const one = client(url, { protocolVersion: 5, reconnectPeriod: 0 })
  const [error] = (await once(one, 'error')) as [MqttError]
  expect(error).toMatchObject({ code: 'ERR_MQTT_CONNECTION_REFUSED', reasonCode: 0x84 })
  expect(levels).toEqual([5])
})

test('after a server that closes on everybody, 5.0 is tried again', async () => {
  const levels: number[] = []
  const { url } = await serverThat((socket) => {
    socket.once('data', (bytes: Buffer) => {
      levels.push(bytes[LEVEL_AT] ?? 0)
      if (levels.length < 3) socket.end()
      else socket.write(hex('20 03 00 00 00'))
    })
  })
  const one = client(url)
  const errors: MqttError[] = []
  one.on('error', (error) => errors.push(error as MqttError))
  await next(one, 'connect')
  expect(levels).toEqual([5, 4, 5])
  expect(errors.map(({ code }) => code)).toEqual(['ERR_MQTT_CONNECTION_LOST'])
})

test('3.1 is spoken on request', async () => {
  let connect: Buffer = Buffer.alloc(0)
  const { url } = await serverThat((socket) => {
    socket.once('data', (bytes: Buffer) => {
      connect = bytes
      socket.write(CONNACK_3)
    })
  })
  const one = client(url, { protocolVersion: 3 })
  await next(one, 'connect')
  expect(connect.toString('latin1', 4, 10)).toBe('MQIsdp')
})
