/** The judge of the kill tests, judged: given these events, this verdict. */
import { beforeEach, describe, expect, it } from 'vitest'

/** The harness is plain JavaScript, so nothing of it has a type here. */
const { Ledger } = await import(new URL('../../scripts/kill/ledger.mjs', import.meta.url).href)

const HOUR_MS = 3_600_000

interface Sent {
  readonly id: number
}

let ledger: InstanceType<typeof Ledger>

/** What is found wrong, by kind. */
function verdict(): string[] {
  ledger.settle(HOUR_MS)
  return ledger.faults.map(({ kind }: { kind: string }) => kind)
}

function connect(name: string, { isPresent = false, cleanStart = false } = {}): void {
  ledger.connecting(name, { cleanStart })
  ledger.connected(name, { cleanStart, isPresent })
}

function subscribe(name: string, filter: string, qos = 2): void {
  ledger.subscribing(name, filter)
  ledger.subscribed(name, filter, qos)
}

function unsubscribe(name: string, filter: string, code = 0): void {
  ledger.unsubscribing(name, filter)
  ledger.unsubscribed(name, filter, code)
}

function send(topic: string, options = {}): Sent {
  return ledger.publishing('publisher', { topic, qos: 2, ...options })
}

function acknowledge(message: Sent): Sent {
  ledger.completed(message)
  return message
}

function receive(message: Sent, options = {}): void {
  ledger.received('subscriber', { topic: 'a/b', qos: 2, isIntact: true, ...message, ...options })
}

beforeEach(() => {
  ledger = new Ledger()
  ledger.addSession('publisher')
  ledger.addSession('subscriber', { identifiers: new Map() })
  connect('publisher')
  connect('subscriber')
})

describe('a message', () => {
  it('that was acknowledged and came once is as it should be', () => {
    subscribe('subscriber', 'a/+')
    receive(acknowledge(send('a/b')))
    expect(verdict()).toEqual([])
  })

  it('that was acknowledged and does not come is lost', () => {
    subscribe('subscriber', 'a/+')
    acknowledge(send('a/b'))
    expect(verdict()).toEqual(['lost'])
  })

  it('that came before it was acknowledged is not owed any more', () => {
    subscribe('subscriber', 'a/+')
    const message = send('a/b')
    receive(message)
    acknowledge(message)
    expect(verdict()).toEqual([])
  })

  it('that nobody has acknowledged may come or not', () => {
    subscribe('subscriber', 'a/+')
    send('a/b')
    receive(send('a/b'))
    expect(verdict()).toEqual([])
  })

  it('of QoS 2 must not come twice, acknowledged or not', () => {
    subscribe('subscriber', 'a/+')
    const message = send('a/b')
    receive(message)
    receive(message)
    receive(acknowledge(message))
    expect(verdict()).toEqual(['doubled', 'doubled'])
  })

  it('of QoS 1 may come twice', () => {
    subscribe('subscriber', 'a/+')
    const message = acknowledge(send('a/b', { qos: 1 }))
    receive(message, { qos: 1 })
    receive(message, { qos: 1 })
    expect(verdict()).toEqual([])
    expect(ledger.counts.repeated).toBe(1)
  })

  it('that comes for the first time after a later one is out of order', () => {
    subscribe('subscriber', 'a/+')
    const [first, second] = [acknowledge(send('a/b')), acknowledge(send('a/b'))]
    receive(second)
    receive(first)
    expect(verdict()).toEqual(['reordered'])
  })

  it('that was sent before there was a subscription may come late', () => {
    const early = send('a/b')
    subscribe('subscriber', 'a/+')
    receive(acknowledge(send('a/b')))
    receive(acknowledge(early))
    expect(verdict()).toEqual([])
  })

  it('must come as it was sent', () => {
    subscribe('subscriber', 'a/+')
    receive(acknowledge(send('a/b')), { qos: 1 })
    receive(acknowledge(send('a/c')), { isIntact: false, topic: 'a/c' })
    receive(acknowledge(send('a/d')), { topic: 'a/x' })
    receive({ id: 4_711 })
    // Those with another payload or topic have not come.
    expect(verdict()).toEqual(['damaged', 'damaged', 'damaged', 'damaged', 'lost', 'lost'])
  })

  it('must bring the identifier of its subscription', () => {
    ledger.addSession('numbered', { identifiers: new Map([['a/+', 7]]) })
    connect('numbered')
    subscribe('numbered', 'a/+')
    const delivery = { topic: 'a/b', qos: 2, isIntact: true }
    ledger.received('numbered', { ...acknowledge(send('a/b')), ...delivery, identifiers: [7] })
    expect(verdict()).toEqual([])
    ledger.received('numbered', { ...acknowledge(send('a/b')), ...delivery, identifiers: [] })
    expect(verdict()).toEqual(['damaged'])
  })

  it('is refused where it should be taken', () => {
    ledger.refused(send('a/b'), 0x97)
    expect(verdict()).toEqual(['refused'])
  })
})

describe('a subscription', () => {
  it('whose probe does not come is lost', () => {
    subscribe('subscriber', 'a/+')
    acknowledge(send('a/b', { isProbe: true }))
    expect(verdict()).toEqual(['subscription'])
  })

  it('is lost where UNSUBACK does not know it', () => {
    subscribe('subscriber', 'a/+')
    unsubscribe('subscriber', 'a/+', 0x11)
    expect(verdict()).toEqual(['subscription'])
  })

  it('that was ended does not come back', () => {
    subscribe('subscriber', 'a/+')
    unsubscribe('subscriber', 'a/+')
    receive(send('a/b'))
    expect(verdict()).toEqual(['returned'])
  })

  it('that was never made brings nothing', () => {
    receive(send('a/b'))
    expect(verdict()).toEqual(['returned'])
  })

  it('that is not acknowledged may be there or not', () => {
    ledger.subscribing('subscriber', 'a/+')
    acknowledge(send('a/b'))
    receive(acknowledge(send('a/b')))
    ledger.subscribed('subscriber', 'a/+', 2)
    ledger.unsubscribing('subscriber', 'a/+')
    acknowledge(send('a/b'))
    receive(acknowledge(send('a/b')))
    expect(verdict()).toEqual([])
  })

  it('need not bring what was sent before it was acknowledged, or acknowledged after its end began', () => {
    const early = send('a/b')
    subscribe('subscriber', 'a/+')
    acknowledge(early)
    const late = send('a/b')
    ledger.unsubscribing('subscriber', 'a/+')
    acknowledge(late)
    expect(verdict()).toEqual([])
  })

  it('may take with it what it has not brought yet', () => {
    subscribe('subscriber', 'a/+')
    acknowledge(send('a/b'))
    unsubscribe('subscriber', 'a/+')
    expect(verdict()).toEqual([])
  })

  it('must be granted as it was asked for', () => {
    subscribe('subscriber', 'a/+', 1)
    expect(verdict()).toEqual(['refused'])
  })
})

describe('a session', () => {
  it('that was acknowledged is present, with what is owed to it', () => {
    subscribe('subscriber', 'a/+')
    const message = acknowledge(send('a/b'))
    connect('subscriber', { isPresent: true })
    receive(message)
    expect(verdict()).toEqual([])
  })

  it('that is not present is lost, and what was owed to it too', () => {
    subscribe('subscriber', 'a/+')
    acknowledge(send('a/b'))
    connect('subscriber')
    expect(verdict()).toEqual(['session', 'lost'])
  })

  it('that nobody has acknowledged may be present or not', () => {
    ledger.addSession('other')
    ledger.connecting('other', { cleanStart: false })
    connect('other', { isPresent: true })
    expect(verdict()).toEqual([])
  })

  it('that was never there is not present', () => {
    ledger.addSession('other')
    ledger.tick()
    ledger.connected('other', { cleanStart: false, isPresent: true })
    expect(verdict()).toEqual(['session'])
  })

  it('that was discarded is gone with its subscriptions', () => {
    subscribe('subscriber', 'a/+')
    acknowledge(send('a/b'))
    connect('subscriber', { cleanStart: true })
    const message = send('a/b')
    expect(verdict()).toEqual([])
    receive(message)
    expect(verdict()).toEqual(['returned'])
  })

  it('that was discarded brings nothing of what the old one was owed', () => {
    subscribe('subscriber', 'a/+')
    const message = acknowledge(send('a/b'))
    connect('subscriber', { cleanStart: true })
    receive(message)
    expect(verdict()).toEqual(['returned'])
  })

  it('whose end nobody has acknowledged may be there or not', () => {
    subscribe('subscriber', 'a/+')
    acknowledge(send('a/b'))
    ledger.ending('subscriber')
    acknowledge(send('a/b'))
    connect('subscriber')
    expect(verdict()).toEqual([])
  })
})

describe('a retained message', () => {
  const retain = (options = {}) => send('retained/1', { isRetained: true, ...options })
  const observe = (id: number | undefined) => ledger.retained.observed('retained/1', id, ledger.tick())

  it('is the last one that was acknowledged', () => {
    acknowledge(retain())
    const { id } = acknowledge(retain())
    observe(id)
    expect(verdict()).toEqual([])
  })

  it('must not be an earlier one, nor missing', () => {
    const { id } = acknowledge(retain())
    acknowledge(retain())
    observe(id)
    observe(undefined)
    expect(verdict()).toEqual(['retained', 'retained'])
  })

  it('may be a later one that nobody has acknowledged', () => {
    acknowledge(retain())
    observe(retain().id)
    observe(retain({ isGone: true }).id - 1)
    observe(undefined)
    expect(verdict()).toEqual(['retained'])
  })

  it('that was removed does not come back', () => {
    const { id } = acknowledge(retain())
    acknowledge(retain({ isGone: true }))
    observe(undefined)
    observe(id)
    expect(verdict()).toEqual(['retained'])
  })

  it('may be the one before where the acknowledgement came after the question', () => {
    const { id } = acknowledge(retain())
    const next = retain()
    const from = ledger.tick()
    acknowledge(next)
    ledger.retained.observed('retained/1', id, from)
    expect(verdict()).toEqual([])
  })
})

describe('a will', () => {
  const offer = (number: number, { delayMs = 0, at = 0 } = {}) =>
    ledger.wills.offered('willed', { number, qos: 2, delayMs }, at)
  const come = (number: number, at: number) => ledger.wills.received(number, { client: 'willed', qos: 2 }, at)

  it('comes once when its connection is lost', () => {
    offer(1)
    ledger.wills.granted('willed', 1)
    ledger.wills.cut('willed', 1_000)
    come(1, 1_100)
    expect(verdict()).toEqual([])
  })

  it('must come, and only once', () => {
    for (const number of [1, 2]) {
      offer(number)
      ledger.wills.granted('willed', 1)
      ledger.wills.cut('willed', 1_000)
    }
    come(2, 1_100)
    come(2, 1_200)
    expect(verdict()).toEqual(['will', 'will'])
  })

  it('must not come as long as its client is connected', () => {
    offer(1)
    ledger.wills.granted('willed', 1)
    come(1, 100)
    expect(verdict()).toEqual(['will'])
  })

  it('must not come before its delay is over', () => {
    offer(1, { delayMs: 1_000 })
    ledger.wills.granted('willed', 1)
    ledger.wills.cut('willed', 5_000)
    come(1, 5_500)
    expect(verdict()).toEqual(['will'])
  })

  it('must not come once its client is back in time', () => {
    offer(1, { delayMs: 60_000 })
    ledger.wills.granted('willed', 1)
    ledger.wills.cut('willed', 5_000)
    offer(2, { at: 6_000 })
    ledger.wills.granted('willed', 6_010)
    expect(verdict()).toEqual([])
    come(1, 65_000)
    expect(verdict()).toEqual(['will'])
  })

  it('must come although its client is back, where it had no delay', () => {
    offer(1)
    ledger.wills.granted('willed', 1)
    ledger.wills.cut('willed', 5_000)
    offer(2, { at: 5_001 })
    ledger.wills.granted('willed', 5_002)
    expect(verdict()).toEqual(['will'])
  })

  it('that nobody has acknowledged may come or not', () => {
    offer(1)
    ledger.wills.cut('willed', 5_000)
    offer(2)
    ledger.wills.cut('willed', 6_000)
    come(2, 6_100)
    expect(verdict()).toEqual([])
  })

  it('must not come once its withdrawal is followed by an acknowledgement', () => {
    offer(1)
    ledger.wills.granted('willed', 1)
    ledger.wills.leaving('willed')
    ledger.wills.left('willed')
    acknowledge(send('a/b'))
    come(1, 100)
    expect(verdict()).toEqual(['will'])
  })

  it('may come where the broker dies over its withdrawal', () => {
    offer(1)
    ledger.wills.granted('willed', 1)
    ledger.wills.leaving('willed')
    ledger.wills.left('willed')
    ledger.wills.died(50)
    come(1, 100)
    expect(verdict()).toEqual([])
  })
})
