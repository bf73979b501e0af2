/** The bad network of `topicwire compare`: when a piece is due by arithmetic, and what sockets notice of it. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { BadNetwork, Line, type NetworkProfile, PERFECT } from '../../../src/cli/compare/network.js'
import { until } from '../../support/until.js'

const never = () => 0.999_999
const middle = () => 0.5

describe('a line', () => {
  it('delays each piece by as much, and by no more than the jitter besides', () => {
    expect(new Line({ ...PERFECT, delayMs: 50 }, middle).arrival(1_000, 10)).toBe(1_050)
    let draw = 0
    const extremes = () => [0, 1][draw++ % 2] ?? 0
    // Each piece draws for its jitter and for its loss.
    const least = new Line({ ...PERFECT, delayMs: 50, jitterMs: 20 }, extremes).arrival(0, 10)
    draw = 1
    const most = new Line({ ...PERFECT, delayMs: 50, jitterMs: 20 }, extremes).arrival(0, 10)
    expect([least, most]).toEqual([30, 70])
  })

  it('lets nothing overtake what was sent before', () => {
    const draws = [1, 0.5, 0, 0.5]
    const line = new Line({ ...PERFECT, delayMs: 50, jitterMs: 50 }, () => draws.shift() ?? 0.5)
    expect(line.arrival(0, 10)).toBe(100)
    expect(line.arrival(1, 10)).toBe(100)
  })

  it('takes its time for the bytes, one piece behind the other, and is free again later', () => {
    const line = new Line({ ...PERFECT, bytesPerSec: 1_000 }, middle)
    expect(line.arrival(0, 500)).toBe(500)
    expect(line.arrival(100, 500)).toBe(1_000)
    expect(line.arrival(5_000, 100)).toBe(5_100)
  })

  it('stands still when a segment is lost, twice as long when it is lost again, and holds up what follows', () => {
    const lossy: NetworkProfile = { ...PERFECT, delayMs: 10, loss: 0.1, retransmitMs: 200 }
    // Jitter; lost; lost again; not lost. Then for the second piece: jitter; not lost.
    const draws = [0.5, 0.05, 0.05, 0.9, 0.5, 0.9]
    const line = new Line(lossy, () => draws.shift() ?? 0.9)
    expect(line.arrival(0, 100)).toBe(610)
    expect(line.arrival(5, 100)).toBe(610)
    // A large piece is several segments, each of which may be lost.
    const each = [0.5, 0.05, 0.9, 0.05, 0.9, 0.9]
    expect(new Line(lossy, () => each.shift() ?? 0.9).arrival(0, 3 * 1_460)).toBe(410)
    expect(new Line(lossy, never).arrival(0, 100_000)).toBeCloseTo(10)
  })
})

/** A server that sends everything back, behind a network. */
async function behind(profile: NetworkProfile): Promise<{ network: BadNetwork; dial: () => Socket }> {
  const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(
    0,
    '127.0.0.1',
  )
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const network = await BadNetwork.listen({ host: '127.0.0.1', port }, profile, 1)
  onTestFinished(async () => {
    await network.close()
    server.close()
  })
  return {
    network,
    dial: () => connect({ port: network.port, host: '127.0.0.1' }).on('error', () => undefined),
  }
}

async function echoed(socket: Socket, bytes: number): Promise<number> {
  const startedMs = performance.now()
  let received = 0
  const done = new Promise<void>((resolve) => {
    socket.on('data', (data) => {
      received += data.length
      if (received >= bytes) resolve()
    })
  })
  socket.write(Buffer.alloc(bytes, 'x'))
  await done
  expect(received).toBe(bytes)
  return performance.now() - startedMs
}

describe('a network', () => {
  it('passes everything in order where it is perfect', async () => {
    const { dial } = await behind(PERFECT)
    const socket = dial()
    const sent = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251))
    const received: Buffer[] = []
    socket.on('data', (data) => received.push(data))
    socket.end(sent)
    await once(socket, 'close')
    expect(Buffer.concat(received).equals(sent)).toBe(true)
  })

  it('needs four delays for the first answer of a connection, and two for the next', async () => {
    const { dial } = await behind({ ...PERFECT, delayMs: 50 })
    const socket = dial()
    // Timers may be a millisecond early; how late they are depends on the machine.
    expect(await echoed(socket, 10)).toBeGreaterThan(195)
    socket.removeAllListeners('data')
    expect(await echoed(socket, 10)).toBeGreaterThan(95)
  })

  it('is as slow as its bandwidth, in both directions at once', async () => {
    const { dial } = await behind({ ...PERFECT, bytesPerSec: 100_000 })
    expect(await echoed(dial(), 20_000)).toBeGreaterThan(195)
  })

  it('cuts what is there, and takes nobody until the line is up again', async () => {
    const { network, dial } = await behind({ ...PERFECT, cutForMs: 300 })
    const socket = dial()
    await echoed(socket, 10)
    const closed = once(socket, 'close')
    network.cut()
    await closed
    const early = dial()
    await once(early, 'close')
    expect(network.cuts).toBe(1)
    let isUp = false
    await until(() => {
      if (isUp) return true
      dial()
        .once('data', () => {
          isUp = true
        })
        .write('x')
      return false
    }, 'the line is up again')
  })

  it('cuts by itself, until it is to be calm', async () => {
    const { network } = await behind({ ...PERFECT, cutEveryMs: 20 })
    await until(() => network.cuts >= 3, 'three cuts')
    network.calm()
    const { cuts } = network
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(network.cuts).toBe(cuts)
  })
})
