/**
 * The broker that the interoperation tests talk to: one in this process, on one free port that takes MQTT, MQTT over
 * WebSocket and topic URLs, each with and without TLS. Every peer is told the same port; the scheme is the difference.
 */
import { Broker, type BrokerOptions } from '../../src/index.js'
import { type Certificate, makeCertificate } from '../support/certificates.js'

/** The schemes of MQTT itself; topic URLs have their own method. */
export type Scheme = 'mqtt' | 'mqtts' | 'ws' | 'wss'

/** Where a peer finds a broker. */
export interface BrokerAddress {
  readonly host: string
  readonly port: number
  /** The certificate to trust, PEM. It names `localhost`, so TLS peers use that name. */
  readonly certificate: string
  url(scheme: Scheme): string
}

export interface BrokerUnderTest extends BrokerAddress {
  readonly broker: Broker
  /** A topic or filter as a WebSocket URL, percent-encoded level by level. */
  topicUrl(topicFilter: string, query?: Record<string, string>): string
  close(): Promise<void>
}

/** Starts a broker with TLS on a free port of 127.0.0.1. Options are those of `Broker.start`. */
export async function startBroker(options: BrokerOptions = {}): Promise<BrokerUnderTest> {
  const { cert, key } = await certificateForLocalhost()
  const host = '127.0.0.1'
  const broker = await Broker.start({ host, port: 0, tls: { cert, key }, ...options })
  const port = broker.addresses[0]?.port
  if (port === undefined) throw new Error('the broker says that it listens nowhere')
  return {
    broker,
    host,
    port,
    certificate: cert,
    url(scheme) {
      const path = scheme === 'ws' || scheme === 'wss' ? '/mqtt' : ''
      return `${scheme}://${scheme.endsWith('s') && scheme !== 'ws' ? 'localhost' : host}:${port}${path}`
    },
    topicUrl: (topicFilter, query = {}) => topicUrl(`ws://${host}:${port}`, topicFilter, query),
    close: () => broker.close(),
  }
}

/** `#` and `?` would end the path of a URL and `%` would begin an escape; `/` separates levels and `+` may stand. */
export function topicUrl(origin: string, topicFilter: string, query: Record<string, string> = {}): string {
  const path = topicFilter.split('/').map(encodeURIComponent).join('/')
  const search = new URLSearchParams(query).toString()
  return `${origin}/topics/${path}${search === '' ? '' : `?${search}`}`
}

let pending: Promise<Certificate> | undefined

/** One for each test file: RSA keys take a moment to find. */
export function certificateForLocalhost(): Promise<Certificate> {
  pending ??= makeCertificate()
  return pending
}
