/** One data directory and all that happens on it: the broker, its clients, their ledger, round after round. */
import { setTimeout as sleep } from 'node:timers/promises'
import { castFor, nextMessage, topicsToProbe } from './cast.mjs'
import { checkRetained } from './checker.mjs'
import { Client } from './client.mjs'
import { Ledger } from './ledger.mjs'
import { Random } from './random.mjs'

/** Publishers stop at so many deliveries that are owed, until the subscribers have caught up. */
const MOST_OWED = 20_000
/** Nothing has moved for so long: it never will. */
const PATIENCE_MS = 4_000
const LONGEST_LOAD_MS = 800

export class World {
  ledger = new Ledger()
  /** Milliseconds under load, and starts of the broker with how long each took. */
  loadMs = 0
  startsMs = []
  ends = { SIGKILL: 0, SIGTERM: 0 }
  #clients = new Map()
  #cast
  #broker
  #port
  #willNumber = 0
  #isPublishing = false
  #onMoment = () => {}

  /** @param {{ versions: number[], broker: import('./broker-process.mjs').BrokerProcess, port: number }} settings */
  constructor({ versions, broker, port }) {
    this.#broker = broker
    this.#port = port
    this.#cast = castFor(versions)
    const surroundings = {
      onMoment: (moment) => this.#onMoment(moment),
      clock: () => performance.now(),
      isBrokerUp: () => broker.isUp,
    }
    for (const { name, version, settings } of this.#cast) {
      const client = new Client({ name, version, ledger: this.ledger, settings }, surroundings)
      this.#clients.set(name, client)
    }
  }

  /** Starts the broker, loads it and ends it. With `settles` everything is brought to its end and judged before. */
  async round(plan, { settles }) {
    this.ledger.round = plan.round
    const random = new Random(`${plan.seed} ${plan.round} acts`)
    for (const afterMs of plan.killedStarts) {
      this.#broker.spawn()
      await sleep(afterMs * this.#usualStartMs())
      await this.#end('SIGKILL')
    }
    this.startsMs.push(await this.#broker.start())
    this.ledger.wills.started(performance.now())
    if (settles) await this.#settle()
    await this.#load(plan, random)
    if (this.#broker.hasFailed) this.ledger.fault('stuck', 'the broker has ended by itself')
  }

  /** The last round: only what is still owed, and a moment for what should not come. */
  async finish(round) {
    this.ledger.round = round
    this.startsMs.push(await this.#broker.start())
    this.ledger.wills.started(performance.now())
    await this.#settle()
    await sleep(200)
    this.ledger.wills.settle(performance.now())
    await this.#end('SIGKILL')
  }

  async #load(plan, random) {
    const from = performance.now()
    let signalled
    const isOver = () => signalled !== undefined
    const over = new Promise((resolve) => {
      const end = () => {
        if (isOver()) return
        signalled = this.#end(plan.signal)
        resolve()
      }
      const timer = setTimeout(end, plan.afterMs ?? LONGEST_LOAD_MS)
      let toGo = plan.count
      this.#onMoment = (moment) => {
        if (moment !== plan.moment) return
        toGo -= 1
        if (toGo > 0) return
        clearTimeout(timer)
        end()
      }
    })
    this.#isPublishing = !plan.isDrain && this.ledger.owed() < MOST_OWED
    for (const member of this.#cast) {
      const acts = new Random(`${plan.seed} ${plan.round} ${member.name}`)
      void this.#takePart(member, acts, { plan, isOver })
    }
    if (random.chance(0.5)) void this.#check(random.between(0, 40), isOver)
    await over
    this.#onMoment = () => {}
    this.loadMs += performance.now() - from
    await signalled
    // What the broker sent before it died is still read.
    await Promise.all([...this.#clients.values()].map((client) => this.#untilClosed(client)))
  }

  async #end(signal) {
    this.ends[signal] += 1
    this.ledger.wills.died(performance.now())
    const problem = await this.#broker.end(signal)
    if (problem !== undefined) this.ledger.fault('stuck', `${signal}: ${problem}`)
  }

  async #check(afterMs, isOver) {
    await sleep(afterMs)
    if (isOver()) return
    const { version } = this.#clients.get('prober')
    await checkRetained({ port: this.#port, version, ledger: this.ledger })
  }

  /** A client's part of one round: comes, does what it does, goes and comes again, until the broker is gone. */
  async #takePart(member, random, { plan, isOver }) {
    const client = this.#clients.get(member.name)
    if (member.role === 'prober') return
    if (!client.isOpen) {
      if (plan.isFlood && member.role !== 'publisher') return
      if (random.chance(member.awayChance) && !plan.isDrain) return
      await sleep(random.chance(0.5) ? 0 : random.between(0, 60))
      if (isOver() || !(await this.#come(client, member, random))) return
    }
    if (member.role === 'publisher') {
      client.next = () => (this.#isPublishing ? nextMessage(member.name, random) : undefined)
      client.pump()
    }
    client.ackDelayMs = () => (member.slowMs ? random.between(0, member.slowMs) : 0)
    for (;;) {
      this.#subscribe(client, member)
      await sleep(random.between(2, 40))
      if (isOver()) return
      if (client.isOpen && member.changing?.length > 0) this.#change(client, random.pick(member.changing))
      if (!random.chance(member.role === 'willed' ? 0.2 : 0.03)) continue
      this.#go(client, member, random)
      await this.#untilClosed(client)
      await sleep(random.between(0, 20))
      if (isOver() || !(await this.#come(client, member, random))) return
    }
  }

  #come(client, member, random) {
    // Nobody would see it come otherwise.
    const isHeard = this.ledger.stateOf('monitor', 'will/#') === 'on'
    const will = member.role === 'willed' && isHeard ? this.#newWill(member, random) : undefined
    // Once a session is to be discarded, nothing else will do until it is: what it had may be gone already.
    client.mustBeClean ||= member.role === 'fickle' && random.chance(0.15)
    const cleanStart = client.mustBeClean
    const { receiveMaximum } = member
    return client.connect({ port: this.#port, cleanStart, receiveMaximum, will }).then((isIn) => {
      if (isIn) client.mustBeClean = false
      return isIn
    })
  }

  #go(client, member, random) {
    const way = random.next()
    if (way < 0.5) client.cut()
    else client.leave({ endsSession: member.role === 'fickle' && way > 0.75 })
  }

  #newWill({ delaysMs }, random) {
    this.#willNumber += 1
    return { number: this.#willNumber, qos: random.pick([1, 2, 2]), delayMs: random.pick(delaysMs) }
  }

  /** Asks for what it should have and is not known to have. */
  #subscribe(client, { steady = [], changing = [] }) {
    if (!client.isOpen) return
    const isNew = this.ledger.isNew(client.name)
    for (const filter of isNew ? [...steady, ...changing] : steady) {
      const isKnown = this.ledger.stateOf(client.name, filter) === 'on' || client.isAsking(filter)
      if (!isKnown) client.subscribe(filter)
    }
  }

  #change(client, filter) {
    if (client.isAsking(filter)) return
    if (this.ledger.stateOf(client.name, filter) === 'off') client.subscribe(filter)
    else client.unsubscribe(filter)
  }

  /** Everybody comes and gets what is owed; then every subscription is probed, and what is missing is lost. */
  async #settle() {
    const { ledger } = this
    this.#isPublishing = false
    // Clients with wills stay away: one that comes back calls its own off.
    const present = this.#cast.filter(({ role }) => role !== 'willed')
    await Promise.all(present.map((member) => this.#comeForSure(member)))
    await this.#untilNothingMoves(() => this.#underWay() === 0)
    const prober = this.#clients.get('prober')
    const topics = ledger.topicsToProbe(topicsToProbe(this.#cast))
    prober.next = () => {
      const topic = topics.pop()
      return topic && { topic, qos: 2, isProbe: true }
    }
    prober.pump()
    await this.#untilNothingMoves(
      () => this.#underWay() === 0 && ledger.owed() === 0 && ledger.wills.awaited(performance.now()) === 0,
    )
    if (this.#underWay() > 0) ledger.fault('stuck', `${this.#underWay()} exchanges of publishers do not end`)
    await checkRetained({ port: this.#port, version: prober.version, ledger })
    ledger.settle(performance.now())
  }

  async #comeForSure(member) {
    const client = this.#clients.get(member.name)
    client.ackDelayMs = () => 0
    client.next = () => undefined
    const deadline = performance.now() + PATIENCE_MS
    while (!client.isOpen && this.#broker.isUp && performance.now() < deadline) {
      if (await client.connect({ port: this.#port, cleanStart: client.mustBeClean }))
        client.mustBeClean = false
      else await sleep(20)
    }
    if (!client.isOpen) this.ledger.fault('stuck', 'the client is not let in', { session: client.name })
  }

  #underWay() {
    let sum = 0
    for (const { underWay } of this.#clients.values()) sum += underWay
    return sum
  }

  async #untilNothingMoves(isDone) {
    const read = () => {
      const { counts, wills } = this.ledger
      const isWillAwaited = wills.awaited(performance.now()) > 0
      return isWillAwaited
        ? {}
        : `${this.#underWay()} ${this.ledger.owed()} ${counts.received} ${counts.acknowledged}`
    }
    let [last, since] = [read(), performance.now()]
    while (!isDone() && this.#broker.isUp && !this.#broker.hasFailed) {
      await sleep(3)
      const figures = read()
      if (figures !== last) [last, since] = [figures, performance.now()]
      if (performance.now() - since > PATIENCE_MS) return
    }
  }

  /** Where the other end does not close, this one does. */
  async #untilClosed(client) {
    const deadline = performance.now() + PATIENCE_MS
    while (!client.isClosed) {
      if (performance.now() > deadline) client.cut()
      await sleep(1)
    }
  }

  #usualStartMs() {
    const starts = this.startsMs.slice(-5)
    return starts.length === 0 ? 100 : starts.reduce((sum, ms) => sum + ms, 0) / starts.length
  }
}
