/**
 * Protocols by their first bytes: those of clients that come to a port for MQTT, and those of servers that somebody
 * took for a broker. Only what cannot be anything else is named.
 */

/** Somebody recognised. */
export interface Stranger {
  /** With its article: `an SSH client`. */
  readonly name: string
  /** What to do about it. */
  readonly remedy: string
}

interface Signature extends Stranger {
  readonly fits: (head: Uint8Array) => boolean
}

/** What begins like an HTTP method and is none, and what it is. */
const TEXTS: readonly (Stranger & { readonly text: string })[] = [
  { text: 'SSH-', name: 'an SSH client', remedy: 'its port is 22' },
  {
    text: 'AMQP',
    name: 'an AMQP client',
    remedy: 'this broker speaks MQTT; brokers for AMQP listen on 5672',
  },
  {
    text: 'PROXY ',
    name: 'a proxy with the PROXY protocol',
    remedy: 'switch it off there (HAProxy: send-proxy, nginx: proxy_protocol, AWS: proxy protocol v2)',
  },
  {
    text: 'PRI * HTTP/2',
    name: 'an HTTP/2 client',
    remedy: 'have the proxy speak HTTP/1.1 to this port; WebSockets are asked for with that',
  },
  { text: 'CONNECT\n', name: 'a STOMP client', remedy: 'this broker speaks MQTT' },
  { text: 'CONNECT\r\n', name: 'a STOMP client', remedy: 'this broker speaks MQTT' },
  { text: 'STOMP\n', name: 'a STOMP client', remedy: 'this broker speaks MQTT' },
  { text: 'CONNECT {', name: 'a NATS client', remedy: 'this broker speaks MQTT; the port of NATS is 4222' },
]

const PROXY_V2 = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a)

const SIGNATURES: readonly Signature[] = [
  ...TEXTS.map(({ text, ...stranger }) => ({ ...stranger, fits: beginsWith(Buffer.from(text)) })),
  {
    name: 'a proxy with the PROXY protocol (version 2)',
    remedy: 'switch it off there (HAProxy: send-proxy-v2, AWS: proxy protocol v2)',
    fits: beginsWith(PROXY_V2),
  },
  {
    name: 'a Redis client',
    remedy: 'its port is 6379',
    fits: (head) => head[0] === 0x2a && isDigit(head[1]) && head.includes(0x0d),
  },
  {
    name: 'a Kafka client',
    remedy: 'its port is 9092',
    // ApiVersions, which every client asks first: a length below 64 KiB, then the key 18.
    fits: (head) => head[0] === 0 && head[1] === 0 && head[4] === 0 && head[5] === 18,
  },
  {
    name: 'a PostgreSQL client',
    remedy: 'its port is 5432',
    fits: beginsWith(Uint8Array.of(0, 0, 0, 8, 4, 0xd2, 0x16)),
  },
  {
    name: 'a SOCKS client',
    remedy: 'somebody has this port down as a proxy',
    fits: (head) => (head[0] === 5 && head.length === 2 + (head[1] ?? 0)) || (head[0] === 4 && head[1] === 1),
  },
  {
    name: 'a Remote Desktop client',
    remedy: 'its port is 3389',
    fits: (head) => head[0] === 3 && head[1] === 0 && head[2] === 0 && head[5] === 0xe0,
  },
  {
    name: 'an MQTT-SN client',
    remedy: 'MQTT-SN is another protocol, over UDP, and needs a gateway in between',
    fits: (head) => head.length >= 6 && head[0] === head.length && head[1] === 0x04 && head[3] === 0x01,
  },
  ...(
    [
      ['PINGREQ', [0xc0, 0x00]],
      ['DISCONNECT', [0xe0, 0x00]],
      ['SUBSCRIBE', [0x82]],
    ] as const
  ).map(([packet, bytes]) => ({
    name: `an MQTT client that begins with ${packet}`,
    remedy: 'a connection begins with CONNECT; it may be going on with one that it has lost',
    fits: beginsWith(Uint8Array.from(bytes)),
  })),
]

/** What a server says first, or answers to what it does not understand. */
const SERVERS: readonly (readonly [RegExp, string])[] = [
  [/^SSH-/, 'SSH'],
  [/^AMQP/, 'AMQP'],
  [/^220[ -].*(smtp|esmtp|mail)/i, 'SMTP'],
  [/^220[ -]/, 'FTP or SMTP'],
  [/^\+OK/, 'POP3'],
  [/^\* OK/, 'IMAP'],
  [/^-(ERR|NOAUTH|DENIED)/, 'Redis'],
  [/^INFO \{/, 'NATS'],
  [/^ERROR\n/, 'STOMP'],
]

/** Who begins so; undefined where nobody is recognised. */
export function recognizeClient(head: Uint8Array): Stranger | undefined {
  return SIGNATURES.find(({ fits }) => fits(head))
}

/** Whether these bytes, which begin with a letter, are the beginning of something that is not HTTP. */
export function isForeignText(head: Uint8Array): boolean {
  return TEXTS.some(({ text }) => beginsWith(Buffer.from(text))(head))
}

/** Whether they may still become that. */
export function mayBeForeignText(head: Uint8Array): boolean {
  return TEXTS.some(({ text }) => text.length > head.length && beginsWith(head)(Buffer.from(text)))
}

/** The name of the protocol in which a server answers. */
export function recognizeServer(answer: Uint8Array): string | undefined {
  const text = Buffer.from(answer.subarray(0, 200)).toString('latin1')
  return SERVERS.find(([pattern]) => pattern.test(text))?.[1]
}

function beginsWith(bytes: Uint8Array): (head: Uint8Array) => boolean {
  return (head) => head.length >= bytes.length && bytes.every((byte, index) => head[index] === byte)
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}
