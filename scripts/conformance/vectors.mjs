/** Reads the vectors: what each is called, which statements it serves, and which packets go over its wire. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { statementKey } from './citations.mjs'
import { isAmong, kindsIn } from './packets.mjs'

const directory = '__test__/vectors'

/** @returns {import('./tests.mjs').Test[]} */
export function readVectors(root) {
  return [
    ...readFolder(root, 'packets', packetVector),
    ...readFolder(root, 'exchanges', exchangeVector),
    ...readFolder(root, 'client', clientVector),
  ]
}

function readFolder(root, folder, toTest) {
  const path = join(root, directory, folder)
  if (!existsSync(path)) return []
  const files = readdirSync(path).filter((name) => name.endsWith('.toml'))
  return files.sort().flatMap((name) => {
    const contents = parse(readFileSync(join(path, name), 'utf8'))
    const tables = contents.packet ?? contents.exchange ?? []
    return tables.map((table) => ({
      file: `${directory}/${folder}/${name}`,
      name: table.name,
      cites: new Set((table.statements ?? []).map(statementKey)),
      isWhole: true,
      ...toTest(table),
    }))
  })
}

/** One packet for the codec; a client's that is not valid is also sent to a broker, which says so and closes. */
export function packetVector({ bytes, from, verdict, versions }) {
  const kinds = kindsIn(bytes)
  const isSent = from === 'client' && verdict !== 'valid'
  const answer = new Set(isSent ? [kinds.has('CONNECT') ? 'CONNACK' : 'DISCONNECT'] : [])
  const ways = from === 'client' ? { client: kinds, server: answer } : { client: new Set(), server: kinds }
  return {
    kind: 'packet',
    versions,
    onWire: isSent,
    forClient: from === 'server',
    touches: (kind) => isAmong(kind, ways),
  }
}

/** A conversation with a broker: over TCP and WebSocket, unless it says in `wire` why not. */
export function exchangeVector({ steps, versions, wire }) {
  const ways = { client: new Set(), server: new Set() }
  const lines = steps.split('\n').map((line) => line.replace(/^\s*#.*|\s#\s.*$/, '').trim())
  const names = lines.map((line) => connecting.exec(line)?.[1])
  for (const [index, line] of lines.entries()) {
    // A client that connects once and with nothing said about it is only there for the rest.
    const isBare = /^\S+\s+connects$/.test(line) && names.filter((name) => name === names[index]).length === 1
    if (names[index] !== undefined && !isBare) {
      ways.client.add('CONNECT')
      ways.server.add('CONNACK')
    }
    addLine(line, ways.client, ways.server)
    if (/^\S+\s+closed\s+[\da-f]{2}\b/i.test(line)) ways.server.add('DISCONNECT')
  }
  return {
    kind: 'exchange',
    versions,
    onWire: wire === undefined,
    forClient: false,
    touches: (kind) => isAmong(kind, ways),
  }
}

/**
 * A conversation in which we are the client: what the `server` sends is the server's. What the application asks for
 * counts as its packet, also where the point is that the client does not send it.
 */
export function clientVector({ steps, versions }) {
  const ways = { client: new Set(), server: new Set() }
  const lines = steps.split('\n').map((line) => line.replace(/^\s*#.*|\s#\s.*$/, '').trim())
  // A connection that is only there for the rest says nothing about itself.
  const isConnecting = (line) => /^client connects\b/.test(line)
  const isOnlyThere = lines.filter(isConnecting).length === 1
  for (const line of lines) {
    const [, verb] = /^client (?:cannot \(\w+\) )?(\w+)/.exec(line) ?? []
    const kind = commands.find(([word]) => [word, `${word}s`, `${word}es`].includes(verb))?.[1]
    if (kind !== undefined && !(isOnlyThere && line === 'client connects')) ways.client.add(kind)
    if (/^server (accepts|resumes)\b/.test(line) && !(isOnlyThere && line === 'server accepts')) {
      ways.client.add('CONNECT')
      ways.server.add('CONNACK')
    }
    if (/^server closed [\da-f]{2}\b/i.test(line)) ways.client.add('DISCONNECT')
    addLine(line, ways.server, ways.client)
  }
  return {
    kind: 'client',
    versions,
    onWire: false,
    forClient: true,
    touches: (kind) => isAmong(kind, ways),
  }
}

/** What an application asks of a client, and the packet that it makes. */
const commands = [
  ['connect', 'CONNECT'],
  ['publish', 'PUBLISH'],
  ['subscribe', 'SUBSCRIBE'],
  ['unsubscribe', 'UNSUBSCRIBE'],
  ['authenticate', 'AUTH'],
  ['reauthenticate', 'AUTH'],
  ['ping', 'PINGREQ'],
  ['disconnect', 'DISCONNECT'],
]
const connecting = /^(\S+)\s+connects\b/

function addLine(line, sent, received) {
  const [, direction, notation] = /^\s*\S+\s+(>|<any|<)\s+(.*)$/.exec(line) ?? []
  if (direction === undefined) return
  for (const kind of kindsIn(notation)) (direction === '>' ? sent : received).add(kind)
}
