/** Where a corpus begins: what peers say in earnest. */

const HANDSHAKE = [
  'Host: broker:1883',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Protocol: mqtt',
]
const CONNECT = Buffer.from('100d00044d51545405020000000000', 'hex')
const CONNECT_3_1_1 = Buffer.from('101000044d5154540402003c000474657374', 'hex')
const SUBSCRIBE = Buffer.from('82090001000003612f6201', 'hex')
const PUBLISH = Buffer.from('30090003612f6200686921', 'hex')
const CLIENT_HELLO = Buffer.from(
  '1603010047010000430303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00000213010100' +
    '0018002b00030203040033000201000000000d0004000204030000',
  'hex',
)

function http(requestLine: string, ...headers: readonly string[]): Buffer {
  return Buffer.from([requestLine, ...headers, '', ''].join('\r\n'), 'latin1')
}

function frame(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0x82, 0x80 | payload.length, 0, 0, 0, 0), payload])
}

const STREAMS: readonly Buffer[] = [
  Buffer.concat([CONNECT, SUBSCRIBE, PUBLISH]),
  Buffer.concat([CONNECT_3_1_1, Buffer.from('c000e000', 'hex')]),
  CLIENT_HELLO,
  http('GET / HTTP/1.1', 'Host: a', 'Connection: close'),
  http('HEAD /healthz HTTP/1.1', 'Host: a'),
  http('POST / HTTP/1.1', 'Host: a', 'Content-Length: 2'),
  http('GET / HTTP/1.0'),
  Buffer.concat([http('GET /mqtt HTTP/1.1', ...HANDSHAKE), frame(CONNECT), frame(SUBSCRIBE)]),
  Buffer.concat([http('GET /topics/a/b HTTP/1.1', ...HANDSHAKE), frame(Buffer.from('hi!'))]),
  Buffer.concat([http('GET /echo HTTP/1.1', ...HANDSHAKE), frame(Buffer.from('hi!'))]),
]

const TOPIC_URLS: readonly string[] = [
  'chat/room1',
  'a//b/',
  'caf%C3%A9/%23',
  '+/b?qos=1',
  'a?qos=2&retained=false&clientId=panel%207',
  'a??qos=1',
  '%ff',
  'a%00',
  '',
]

/** Inputs for a target, to begin with. */
export const seeds: ReadonlyMap<string, readonly Buffer[]> = new Map([
  ['first_bytes', STREAMS.flatMap((stream) => [0, 1, 2, 3, 4, 5].map((port) => withPieces(port, stream)))],
  ['topic_url', TOPIC_URLS.map((url) => Buffer.from(`\0\0${url}`, 'latin1'))],
  ['upgrade', [0, 1, 2, 3, 4, 5].map((choice) => upgradeSeed(choice))],
])

function withPieces(port: number, stream: Buffer): Buffer {
  return Buffer.concat([Buffer.of(port, 2, 1, 20), stream])
}

/** A handshake that has a choice of its own in one place after the other, and two frames. */
function upgradeSeed(choice: number): Buffer {
  const parts = Buffer.alloc(14)
  parts[1] = choice
  parts[2 + choice] = choice
  const frames = Buffer.from([0, 3, 1, 2, 3, 9, 9, 9, 9, 5, 2, 3, 232, 1, 2, 3, 4])
  return Buffer.concat([Buffer.of(2, 1, 30), parts, Buffer.of(0), frames])
}
