import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { BrokerEvents } from '../../src/broker-events.js'
import { logEvents } from '../../src/cli/log-events.js'

type Line = [level: string, fields: object, message: string]

function listen(): { broker: EventEmitter<BrokerEvents>; lines: Line[] } {
  const broker = new EventEmitter<BrokerEvents>()
  const lines: Line[] = []
  const writer = (level: string) => (fields: object, message: string) =>
    void lines.push([level, fields, message])
  logEvents(broker as never, {
    debug: writer('debug'),
    info: writer('info'),
    warn: writer('warn'),
    error: writer('error'),
  })
  return { broker, lines }
}

const client = { clientId: 'c1', username: 'alice', remoteAddress: '127.0.0.1:5', protocol: 'ws' } as const

describe('logEvents', () => {
  it('says who connected, from where and how, in one line', () => {
    const { broker, lines } = listen()
    broker.emit('connect', {
      ...client,
      version: 4,
      cleanStart: true,
      sessionPresent: false,
      keepAliveSecs: 60,
    })
    expect(lines.filter(([level]) => level !== 'debug')).toEqual([
      [
        'info',
        {
          clientId: 'c1',
          username: 'alice',
          peer: '127.0.0.1:5',
          protocol: 'ws',
          version: '3.1.1',
          session: 'new',
        },
        'Client connected.',
      ],
    ])
  })

  it('says who has authenticated again, and who has failed to', () => {
    const { broker, lines } = listen()
    broker.emit('reauthenticate', { ...client, reasonCode: 0, reason: 'Success' })
    const refused = { reasonCode: 0x87, reason: 'Not authorized', detail: 'the password is wrong' }
    broker.emit('reauthenticate', { ...client, ...refused })
    const who = { clientId: 'c1', username: 'alice', peer: '127.0.0.1:5', protocol: 'ws' }
    expect(lines).toEqual([
      ['info', who, 'Client authenticated again.'],
      [
        'warn',
        { ...who, reason: 'Not authorized', detail: 'the password is wrong' },
        'Client failed to authenticate again.',
      ],
    ])
  })

  it('says who went, and why by name', () => {
    const { broker, lines } = listen()
    broker.emit('disconnect', { ...client, reasonCode: 0x8d, reason: 'Keep Alive timeout' })
    expect(lines).toEqual([
      [
        'info',
        expect.objectContaining({ clientId: 'c1', reason: 'Keep Alive timeout' }),
        'Client disconnected.',
      ],
    ])
  })

  it.each(['refuse', 'protocolError'] as const)('warns of %s, with what was wrong', (name) => {
    const { broker, lines } = listen()
    broker.emit(name, {
      ...client,
      reasonCode: 0x81,
      reason: 'Malformed Packet',
      detail: 'the reserved bit is set',
    })
    expect(lines).toHaveLength(1)
    expect(lines[0]?.[0]).toBe('warn')
    expect(lines[0]?.[1]).toMatchObject({ reason: 'Malformed Packet', detail: 'the reserved bit is set' })
  })
})

describe('dropped messages', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('are summed up per client, one line in ten seconds', () => {
    const { broker, lines } = listen()
    for (let n = 0; n < 1_000; n += 1)
      broker.emit('drop', { clientId: 'slow', count: 2, reason: 'outBufferFull' })
    expect(lines).toEqual([])
    vi.advanceTimersByTime(10_000)
    const line = ['warn', { clientId: 'slow', count: 2_000, reason: 'outBufferFull' }, expect.any(String)]
    expect(lines).toEqual([line])
    vi.advanceTimersByTime(60_000)
    expect(lines).toEqual([line])
  })

  it('name twenty clients and count the rest', () => {
    const { broker, lines } = listen()
    for (let n = 0; n < 25; n += 1) broker.emit('drop', { clientId: `${n}`, count: 1, reason: 'queueFull' })
    vi.advanceTimersByTime(10_000)
    expect(lines).toHaveLength(21)
    expect(lines.at(-1)?.[1]).toEqual({ clients: 5 })
  })

  it('are not forgotten at the end', () => {
    const { broker, lines } = listen()
    broker.emit('drop', { clientId: 'slow', count: 1, reason: 'queueFull' })
    broker.emit('close')
    expect(lines).toHaveLength(1)
  })
})
