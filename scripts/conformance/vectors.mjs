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

/** A conversation in which we are the client: what is sent there is the server's. */
export function clientVector({ steps, versions }) {
  const ways = { client: new Set(), server: new Set() }
  for (const line of steps.split('\n')) addLine(line.replace(/^\s*#.*/, ''), ways.server, ways.client)
  return {
    kind: 'client',
    versions,
    onWire: false,
    forClient: true,
    touches: (kind) => isAmong(kind, ways),
  }
}

const connecting = /^(\S+)\s+connects\b/

function addLine(line, sent, received) {
  const [, direction, notation] = /^\s*\S+\s+(>|<any|<)\s+(.*)$/.exec(line) ?? []
  if (direction === undefined) return
  for (const kind of kindsIn(notation)) (direction === '>' ? sent : received).add(kind)
}
