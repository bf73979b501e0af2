/**
 * `__test__/vectors` against a running broker, over TCP and over WebSocket: each exchange, and each packet of a client
 * that is not valid, after a good CONNECT or instead of one. `__test__/vectors/README.md` explains the files.
 */
import { describe, it } from 'vitest'
import { converse } from './vectors/reader/conversation.js'
import { type PacketVector, readExchanges, readPackets } from './vectors/reader/files.js'
import type { Version } from './vectors/reader/notation.js'
import { parseSteps } from './vectors/reader/steps.js'
import { type TransportName, transports } from './vectors/reader/wire.js'

describe.concurrent('exchanges', () => {
  for (const vector of readExchanges().filter((exchange) => exchange.wire === undefined)) {
    eachWay(vector, (version, transport) =>
      converse(parseSteps(vector.steps, version), transport, version, vector.options),
    )
  }
})

describe.concurrent('packets that are not valid', () => {
  const isWrong = (vector: PacketVector) => vector.from === 'client' && vector.reason_code !== undefined
  for (const vector of readPackets().filter(isWrong)) {
    eachWay(vector, (version, transport) => {
      const steps = isConnect(vector) ? insteadOfConnect(vector) : afterConnect(vector)
      return converse(parseSteps(steps, version), transport, version)
    })
  }
})

/** One test for each version and transport. */
function eachWay(
  vector: { readonly file: string; readonly name: string; readonly versions: readonly Version[] },
  body: (version: Version, transport: TransportName) => Promise<void>,
): void {
  for (const version of vector.versions) {
    for (const transport of transports) {
      it(`${vector.file}: ${vector.name} (${version} over ${transport})`, () => body(version, transport))
    }
  }
}

function afterConnect({ bytes, reason_code }: PacketVector): string {
  return `a connects\na > ${oneLine(bytes)}\na closed ${byte(reason_code)}`
}

function insteadOfConnect({ bytes, reason_code, answer }: PacketVector): string {
  return `a > ${oneLine(bytes)}\na < ${oneLine(answer ?? `v5(20 [ 00 ${byte(reason_code)} { ~ } ])`)}\na closed`
}

function isConnect({ bytes }: PacketVector): boolean {
  return bytes.trimStart().startsWith('1')
}

function oneLine(text: string): string {
  return text.replaceAll('\n', ' ')
}

function byte(value = 0): string {
  return value.toString(16).padStart(2, '0')
}
