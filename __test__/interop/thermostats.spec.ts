/** What examples/thermostats promises about a bad network: the will while it is gone, and no hole in the readings. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Broker, connectAsync, type MqttClient } from '../../src/index.js'
import { CuttingProxy } from '../support/cutting-proxy.js'
import { until } from '../support/until.js'
import { type Program, ROOT, Workshop } from './programs.js'

const THERMOSTAT = pathToFileURL(join(ROOT, 'examples/thermostats/thermostat.mjs')).href
const ROOMS = ['kitchen', 'bathroom', 'bedroom', 'study']
const PATIENCE_MS = 30_000

interface Reading {
  readonly sequence: number
  readonly time: number
}

/** What somebody who looks after the thermostats hears of one room, in the order in which it comes. */
type Heard = { readonly status: string; readonly retain: boolean } | (Reading & { readonly retain: boolean })

let broker: Broker
let workshop: Workshop
const dashboards: MqttClient[] = []
let program: Program | undefined
let proxy: { close(): Promise<void> } | undefined

beforeAll(async () => {
  workshop = await Workshop.open()
})

afterAll(() => workshop.close())

beforeEach(async () => {
  broker = await Broker.start({ host: '127.0.0.1', port: 0 })
})

afterEach(async () => {
  await program?.stop()
  for (const dashboard of dashboards.splice(0)) await dashboard.endAsync(true)
  await proxy?.close()
  proxy = undefined
  await broker.close({ drainTimeoutMs: 0 })
})

function brokerPort(): number {
  return broker.addresses[0]?.port ?? 0
}

/** Starts the thermostats of those rooms, each with that port as its broker. They say when a second is over. */
async function start(rooms: readonly string[], port: number): Promise<Program> {
  const source = `import { Thermostat } from '${THERMOSTAT}'
for (const room of ${JSON.stringify(rooms)}) new Thermostat(room, ${port}, 20)
setInterval(() => console.log('second'), 1000)
`
  const started = workshop.start('node', [await workshop.write('thermostats.mjs', source)])
  program = started
  return started
}

/** Subscribes to what the page of the example subscribes to. */
async function openDashboard(): Promise<Map<string, Heard[]>> {
  const rooms = new Map<string, Heard[]>()
  const dashboard = await connectAsync(`mqtt://127.0.0.1:${brokerPort()}`)
  dashboards.push(dashboard)
  dashboard.on('message', (topic, payload, { retain }) => {
    const [, room = '', what] = topic.split('/')
    const heard = rooms.get(room) ?? []
    rooms.set(room, heard)
    if (what === 'status') heard.push({ status: payload.toString(), retain })
    else heard.push({ ...(JSON.parse(payload.toString()) as Reading), retain })
  })
  await dashboard.subscribeAsync(['home/+/status', 'home/+/state'], { qos: 1 })
  return rooms
}

function readingsOf(heard: readonly Heard[]): Reading[] {
  return heard.filter((each) => 'sequence' in each)
}

/** The readings as numbers, each where it came first: QoS 1 is "at least once". */
function sequencesOf(heard: readonly Heard[]): number[] {
  return [...new Set(readingsOf(heard).map(({ sequence }) => sequence))]
}

/** 1, 2, 3, … */
function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}

/** A network between thermostats and broker that swallows what is sent, breaks off, and comes back. */
class BadNetwork {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #state: 'up' | 'silent' | 'down' = 'up'
  /** Of what thermostats have sent. */
  swallowedBytes = 0
  /** Connections that were tried while it was down. */
  attempts = 0

  private constructor(targetPort: number) {
    this.#server = createServer((client) => {
      if (this.#state === 'down') {
        this.attempts += 1
        client.on('error', () => {}).destroy()
        return
      }
      const server = connect(targetPort, '127.0.0.1')
      this.#pass(client, server, (count) => {
        this.swallowedBytes += count
      })
      this.#pass(server, client, () => {})
    })
  }

  static async before(targetPort: number): Promise<BadNetwork> {
    const network = new BadNetwork(targetPort)
    network.#server.listen(0, '127.0.0.1')
    await once(network.#server, 'listening')
    return network
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Nobody is told, and nothing arrives. */
  fallSilent(): void {
    this.#state = 'silent'
  }

  /** All connections break, and each new one does. */
  breakOff(): void {
    this.#state = 'down'
    for (const socket of this.#sockets) socket.destroy()
  }

  comeBack(): void {
    this.#state = 'up'
  }

  async close(): Promise<void> {
    this.breakOff()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #pass(from: Socket, to: Socket, onSwallowed: (byteCount: number) => void): void {
    this.#sockets.add(from)
    from.on('data', (bytes) => {
      if (this.#state === 'up') to.write(bytes)
      else onSwallowed(bytes.length)
    })
    from.on('error', () => {})
    from.on('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
  }
}

test('a thermostat that is out of reach is offline for everybody, and its readings of that time arrive first when it is back', {
  timeout: 90_000,
}, async () => {
  const network = await BadNetwork.before(brokerPort())
  proxy = network
  const study = (rooms: Map<string, Heard[]>) => rooms.get('study') ?? []
  const statuses = (heard: readonly Heard[]) =>
    heard.flatMap((each) => ('status' in each ? [each.status] : []))
  const rooms = await openDashboard()
  const thermostat = await start(['study'], network.port)
  await until(() => readingsOf(study(rooms)).length >= 2, 'two readings', PATIENCE_MS)
  expect(statuses(study(rooms))).toEqual(['online'])

  // First a reading is lost on its way: it has left the thermostat, and nobody has it.
  network.fallSilent()
  await until(() => network.swallowedBytes > 0, 'a reading that is lost', PATIENCE_MS)
  network.breakOff()
  const brokenAt = Date.now()
  await until(() => statuses(study(rooms)).at(-1) === 'offline', 'the will', PATIENCE_MS)
  const arrivedBefore = readingsOf(study(rooms)).length
  const late = await openDashboard()
  await until(() => statuses(study(late)).length > 0, 'the status for one who comes now', PATIENCE_MS)
  expect(study(late)).toContainEqual({ status: 'offline', retain: true })

  const seconds = () => thermostat.stdout.split('second').length
  const atFirst = seconds()
  await until(() => seconds() >= atFirst + 4, 'four seconds of its time', PATIENCE_MS)
  expect(readingsOf(study(rooms))).toHaveLength(arrivedBefore)
  expect(network.attempts).toBeGreaterThan(0)
  const restoredAt = Date.now()
  network.comeBack()
  await until(() => statuses(study(rooms)).length === 3, 'its return', PATIENCE_MS)
  const count = sequencesOf(study(rooms)).length + 2
  await until(() => sequencesOf(study(rooms)).length >= count, 'readings after its return', PATIENCE_MS)

  const heard = study(rooms)
  expect(statuses(heard)).toEqual(['online', 'offline', 'online'])
  expect(sequencesOf(heard)).toEqual(upTo(sequencesOf(heard).length))
  const isOfTheOutage = (each: Heard) =>
    'sequence' in each && each.time >= brokenAt && each.time <= restoredAt
  expect(heard.filter(isOfTheOutage).length).toBeGreaterThanOrEqual(2)
  const returned = heard.findLastIndex((each) => 'status' in each)
  expect(heard.findLastIndex(isOfTheOutage)).toBeLessThan(returned)
  // Who came in between has the last reading before, retained, and each from there on.
  const [first = 0] = sequencesOf(study(late))
  expect(first).toBe(arrivedBefore)
  await until(() => sequencesOf(study(late)).length >= 5, 'the same for the other', PATIENCE_MS)
  expect(sequencesOf(study(late))).toEqual(upTo(first + sequencesOf(study(late)).length - 1).slice(first - 1))
})

test('thermostats whose connections are cut in the middle of a packet again and again lose no reading', {
  timeout: 90_000,
}, async () => {
  const cutting = await CuttingProxy.listen(brokerPort(), {
    cuts: 12,
    mostBytes: 160,
    mostMs: 1_000,
    sparesConnack: true,
    seed: 20,
  })
  proxy = cutting
  const rooms = await openDashboard()
  await start(ROOMS, cutting.port)
  await until(() => cutting.isDone, 'the last cut', 60_000)
  const goal = Math.max(...ROOMS.map((room) => sequencesOf(rooms.get(room) ?? []).length)) + 2
  const hasAll = (room: string) => sequencesOf(rooms.get(room) ?? []).length >= goal
  await until(() => ROOMS.every(hasAll), 'readings after the last cut', PATIENCE_MS)
  for (const room of ROOMS) {
    const sequences = sequencesOf(rooms.get(room) ?? [])
    expect(sequences).toEqual(upTo(sequences.length))
  }
})
