/**
 * Which web pages may open a WebSocket here. Browsers let any page connect anywhere and only say who it is, in the
 * Origin header; a broker on a developer's machine would otherwise be open to every site that developer visits.
 * Programs other than browsers send no Origin and are not concerned: `authenticate` is for those.
 */

/** What the decision is made from. */
export interface OriginRequest {
  readonly origin: string | undefined
  /** The Host header. */
  readonly host: string | undefined
  /** The two ends of the connection, as IP addresses. */
  readonly remoteAddress: string | undefined
  readonly localAddress: string | undefined
}

/**
 * Whether the page may connect. With no `allowedOrigins`:
 *
 * - a page from the same host as the request's Host header may, on whatever port it was served; but not when the
 *   connection came in on loopback under another name than a loopback one, which is what DNS rebinding looks like;
 * - a page from a loopback host, or one that was opened as a file, may when the peer is on loopback: page and broker
 *   are on one machine. Browsers say `null` for a file, and for nothing at all (`about:blank`), which is how most
 *   people try their first WebSocket. A site can make a frame that says `null` as well, so whoever visits strange
 *   sites beside a broker without `authenticate` lists the origins that may connect: `allowedOrigins` has no `null`
 *   unless it is put there.
 */
export function isOriginAllowed(
  request: OriginRequest,
  allowedOrigins: readonly string[] | '*' | undefined,
): boolean {
  const { origin } = request
  if (origin === undefined || allowedOrigins === '*') return true
  if (allowedOrigins !== undefined) return allowedOrigins.includes(origin)

  const peerIsLocal = request.remoteAddress !== undefined && isLoopback(request.remoteAddress)
  if (origin === 'null' || origin === 'file://') return peerIsLocal
  const page = hostName(origin)
  if (page === undefined) return false
  if (isLoopback(page)) return peerIsLocal

  const asked = request.host === undefined ? undefined : hostName(`http://${request.host}`)
  const arrivedLocally = request.localAddress !== undefined && isLoopback(request.localAddress)
  return asked === page && !arrivedLocally
}

/** The host of a web origin, lower case, IPv6 in brackets; undefined for anything that is not http or https. */
function hostName(origin: string): string | undefined {
  if (!URL.canParse(origin)) return undefined
  const { protocol, hostname } = new URL(origin)
  if (protocol !== 'http:' && protocol !== 'https:') return undefined
  return hostname === '' ? undefined : hostname
}

/** `localhost` and names below it, 127.0.0.0/8, ::1, and IPv4 loopback as an IPv6 address. */
function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').replace(/^::ffff:(?=\d+\.)/, '')
  return bare === '::1' || bare === 'localhost' || bare.endsWith('.localhost') || /^127(\.\d+){3}$/.test(bare)
}
