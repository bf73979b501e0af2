/** What a browser makes of a page that connects: with `--page`. */
import { isIP } from 'node:net'
import { type Check, fail, ok, skip, warn } from '../check.js'
import { isLoopbackAddress, isPrivateAddress, resolveHost } from '../probes/tcp.js'

const NEEDS_PAGE = '--page says which page is to connect'
/** Timers of a tab in the background run once in so many seconds; the server waits for one and a half keep alives. */
const THROTTLED_SECS = 60

export const mixedContent: Check = {
  code: 'mixed-content',
  run(context) {
    const { page, scheme, host } = context.options
    if (page === undefined) return skip(NEEDS_PAGE)
    if (!context.isWeb) {
      return fail(
        `a page cannot open ${scheme}://: browsers have no TCP for it`,
        "Use ws:// or wss:// and the server's port for WebSockets.",
      )
    }
    if (page.protocol !== 'https:') return ok(`a page over ${page.protocol}// may open ${scheme}://`)
    if (scheme === 'wss') return ok('page and WebSocket are encrypted')
    const advice = 'Use wss:// where other browsers are to connect.'
    if (/(^|\.)localhost$/i.test(host) || isLoopbackAddress(host)) {
      return warn(
        'a page over https:// opens ws:// on this machine, which some browsers allow and others do not',
        advice,
      )
    }
    if (/(^|\.)local$/i.test(host) || (isIP(host) !== 0 && isPrivateAddress(host))) {
      return warn(
        'a page over https:// opens ws:// at a private address, which newer versions of Chrome allow and other browsers block as mixed content',
        advice,
      )
    }
    return fail(`a page over https:// may not open ws://${context.name}: browsers block it as mixed content`)
  },
}

export const localNetwork: Check = {
  code: 'local-network',
  async run(context) {
    const { page, timeoutMs } = context.options
    if (page === undefined) return skip(NEEDS_PAGE)
    const target = await context.lookup()
    if ('problem' in target) return skip('the name of the server is unknown')
    const isPrivate = target.addresses.some(({ address }) => isPrivateAddress(address))
    if (!isPrivate) return ok('the server is on a public address')
    const host = page.hostname.replace(/^\[|\]$/g, '')
    const from = await resolveHost(host, timeoutMs)
    if ('problem' in from) return skip(`the name of the page, ${host}, is unknown here`)
    if (from.addresses.some(({ address }) => isPrivateAddress(address))) {
      return ok('page and server are both in a private network')
    }
    return page.protocol === 'https:'
      ? warn(
          'the page is public and the server private: Chrome (from 147 on, for WebSockets) asks before the page may reach it',
          'Allow it where the browser asks, or serve the page from the same network.',
        )
      : fail(
          'the page is public, without https://, and the server private: Chrome does not let it reach the local network',
          'Serve the page over https:// (and use wss://), or from the same network.',
        )
  },
}

export const backgroundTab: Check = {
  code: 'background-tab',
  async run(context) {
    const { page, client } = context.options
    if (page === undefined) return skip(NEEDS_PAGE)
    const attempt = await context.attempt()
    if (!('session' in attempt)) return skip((await context.whyNoSession()) ?? '')
    const { keepalive } = attempt.session.client
    const who = keepalive === client.keepalive ? '-k says what the page uses' : 'the server says so'
    const text = `a keep alive of ${keepalive} s (${who})`
    if (keepalive === 0) return ok('there is no keep alive that could come too late')
    return keepalive / 2 >= THROTTLED_SECS
      ? ok(`${text} survives timers that run once a minute`)
      : warn(
          `${text} may come too late from a tab in the background, where timers run once in ${THROTTLED_SECS} s`,
        )
  },
}
