/** Below every protocol: the name, the way there, the addresses. */
import { type Check, fail, type Outcome, ok, skip, warn } from '../check.js'
import type { Context, Door } from '../context.js'
import { isLoopbackAddress, knock } from '../probes/tcp.js'

/** Where brokers are found when they are not where they were looked for. */
const USUAL_PORTS = [1883, 8883, 8083, 8084, 9001, 443]

export const network: Check = {
  code: 'network',
  async run(context) {
    const { host, timeoutMs } = context.options
    const lookup = await context.lookup()
    if ('problem' in lookup) return unknownName(host, lookup.problem, timeoutMs)
    const doors = await context.doors()
    const open = doors.find((door) => door.knock.kind === 'open')
    if (open?.knock.kind === 'open') {
      return ok(`${context.name} answers in ${Math.max(1, Math.round(open.knock.ms))} ms (${open.address})`)
    }
    const others = await openPorts(context, doors)
    const list = others.join(', ')
    const elsewhere =
      others.length === 0
        ? ''
        : others.length === 1
          ? `; its port ${list} answers`
          : `; its ports ${list} answer`
    if (doors.some((door) => door.knock.kind === 'refused')) {
      const advice =
        (await context.isHere()) === true
          ? 'Start the broker, or give the port that its banner shows.'
          : 'Check the port. A broker that runs there may listen on its own machine only (topicwire: --host 0.0.0.0; Mosquitto: listener 1883 0.0.0.0), or in a container without -p 1883:1883.'
      return fail(`nothing listens at ${context.name}: the host is there and refuses${elsewhere}`, advice)
    }
    if (doors.some((door) => door.knock.kind === 'silent')) {
      return fail(
        `${context.name} says nothing for ${timeoutMs / 1000} s, not even no: a firewall or security group drops what is sent, or the host is down${elsewhere}`,
        `Open port ${context.options.port} for TCP in the firewall or security group of the server and of the network between; a refusal would have come at once.`,
      )
    }
    return fail(
      `there is no way to ${context.name} from this machine`,
      'Check the network, the VPN, and the family of the address (IPv4, IPv6).',
    )
  },
}

function unknownName(host: string, problem: string, timeoutMs: number): Outcome {
  if (problem === 'ENOTFOUND') {
    return fail(
      `there is no host named ${host}`,
      'Check the spelling. In a container the names of others are those of its network; names that end in .local need mDNS.',
    )
  }
  const why = problem === 'timeout' ? `in ${timeoutMs / 1000} s` : `(${problem})`
  return fail(
    `the name ${host} cannot be looked up: the name server does not answer ${why}`,
    'Check the name server of this machine (/etc/resolv.conf), or use an IP address.',
  )
}

async function openPorts(context: Context, doors: readonly Door[]): Promise<number[]> {
  const [door] = doors
  if (door === undefined) return []
  const ports = USUAL_PORTS.filter((port) => port !== context.options.port)
  const patience = Math.min(1_000, context.options.timeoutMs)
  const knocks = await Promise.all(ports.map((port) => knock(door.address, port, patience)))
  return ports.filter((_, index) => knocks[index]?.kind === 'open')
}

export const addressFamily: Check = {
  code: 'address-family',
  async run(context) {
    const { host, port, timeoutMs } = context.options
    const doors = await context.doors()
    const [first] = doors
    if (first === undefined) return skip('the name of the host is unknown')
    if (doors.length === 1) {
      const other = first.address === '127.0.0.1' ? '::1' : first.address === '::1' ? '127.0.0.1' : undefined
      if (other === undefined) return skip(`${host} is one address`)
      if (first.knock.kind === 'open') return ok(`${context.name} was asked for, and answers`)
      if ((await knock(other, port, timeoutMs)).kind !== 'open') return skip('neither family answers')
      return fail(
        `nothing listens at ${context.name}, but the same port answers at ${other}`,
        `Connect to ${other}, or have the server listen on both families (topicwire does with --host localhost, and with --host ::).`,
      )
    }
    const answering = doors.filter((door) => door.knock.kind === 'open')
    const silent = doors.filter((door) => door.knock.kind !== 'open')
    const list = (some: readonly Door[]) => some.map((door) => door.address).join(', ')
    if (answering.length === 0) return skip('no address answers')
    if (silent.length === 0) return ok(`${host} is ${list(answering)}, and all of them answer`)
    const isFirst = silent.includes(first)
    return warn(
      `${host} is also ${list(silent)}, where nothing answers${isFirst ? ', and that is what comes first' : ''}; ${list(answering)} does`,
      `Clients that try one address only fail: give them ${answering[0]?.address}, or have the server listen there too.`,
    )
  },
}

export const loopbackOnly: Check = {
  code: 'loopback-only',
  async run(context) {
    const { port, timeoutMs } = context.options
    const isHere = await context.isHere()
    if (isHere === undefined) return skip('the name of the host is unknown')
    if (!isHere) return skip('the server is on another machine; run this there')
    const doors = await context.doors()
    const patience = Math.min(1_000, timeoutMs)
    const loopback = await knock('127.0.0.1', port, patience)
    if (!doors.some((door) => door.knock.kind === 'open')) {
      if (loopback.kind !== 'open') return skip('nothing listens at this port')
      return fail(`the server listens at 127.0.0.1:${port} only, and ${context.name} was asked for`)
    }
    const [other] = context.otherAddresses.filter((address) => !isLoopbackAddress(address))
    if (other === undefined) return skip('this machine has no other address')
    if ((await knock(other, port, patience)).kind === 'open') return ok(`other machines reach it at ${other}`)
    return ok(
      `only this machine reaches it: ${other} does not answer. For others: --host 0.0.0.0 and users (Mosquitto: listener ${port} 0.0.0.0)`,
    )
  },
}
