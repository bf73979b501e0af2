/** Each check about what stands between a page and a broker, by a real cause: nginx, origins, keep alives. */

import type { TestContext } from 'vitest'
import { expect, it, onTestFinished } from 'vitest'
import { knock } from '../../../src/cli/doctor/probes/tcp.js'
import { Broker, type BrokerOptions } from '../../../src/index.js'
import type { KnowledgeCode } from '../../../src/knowledge/table.js'
import { freePort } from '../../support/free-port.js'
import { startMosquitto } from '../../support/mosquitto.js'
import { proxyPass, startNginx } from '../../support/nginx.js'
import { examined, line } from './examined.js'

type Skip = Pick<TestContext, 'skip'>
type Cause = (context: Skip) => Promise<readonly string[]>

const LIMIT = { timeout: 60_000 }

async function start(options: BrokerOptions = {}): Promise<number> {
  const broker = await Broker.start({ host: '127.0.0.1', port: 0, ...options })
  onTestFinished(() => broker.close({ drainTimeoutMs: 0 }))
  return broker.addresses[0]?.port ?? 0
}

const ws = (port: number, path = '/mqtt'): string => `ws://127.0.0.1:${port}${path}`

const causes: readonly [title: string, KnowledgeCode, RegExp, Cause][] = [
  [
    'an nginx that has the broker at another path',
    'websocket-path',
    /^fail: \/broker answers the WebSocket handshake with 404 Not Found, and \/mqtt with a WebSocket\. Use ws:/,
    async (context) => {
      const server = [`location = /mqtt { ${proxyPass(await start())} }`]
      return [ws(await startNginx(context, server), '/broker')]
    },
  ],
  [
    'an nginx that does not pass the upgrade on',
    'websocket-path',
    /^fail: \/mqtt answers the WebSocket handshake with 4\d\d .*proxy_set_header Upgrade/,
    async (context) => {
      const server = [`location / { proxy_pass http://127.0.0.1:${await start()}; }`]
      return [ws(await startNginx(context, server))]
    },
  ],
  [
    'an nginx whose broker is not there',
    'websocket-path',
    /^fail: \/mqtt answers the WebSocket handshake with 502 Bad Gateway\. The proxy there does not reach the server/,
    async (context) => {
      const server = [`location / { ${proxyPass(await freePort())} }`]
      return [ws(await startNginx(context, server))]
    },
  ],
  [
    'an nginx that strips the subprotocol',
    'subprotocol',
    /^fail: the WebSocket was accepted without the subprotocol mqtt, .*Have the proxy pass the header Sec-WebSocket-Protocol/,
    async (context) => {
      const strip = 'proxy_set_header Sec-WebSocket-Protocol "";'
      const server = [`location / { ${proxyPass(await start())} ${strip} }`]
      return [ws(await startNginx(context, server))]
    },
  ],
  [
    'an nginx that ends idle connections',
    'idle',
    /^fail: a connection on which nothing was said was ended after [\d.]+ s\. .*proxy_read_timeout/,
    async (context) => {
      const server = [`location / { ${proxyPass(await start())} proxy_read_timeout 2s; }`]
      return [ws(await startNginx(context, server)), '--idle', '20']
    },
  ],
  [
    'no proxy, and a connection on which nothing is said',
    'idle',
    /^ok: a connection on which nothing was said lived for 1 s/,
    async () => [ws(await start()), '--idle', '1'],
  ],
  [
    'nothing of the kind, and what is in front',
    'idle',
    /^skip: --idle 70 holds a connection .*; nginx is in front, which ends idle connections/,
    async (context) => [ws(await startNginx(context, [`location / { ${proxyPass(await start())} }`]), '/x')],
  ],
  [
    'a page of an origin that the broker does not know',
    'origin',
    /^fail: pages of https:\/\/example\.org may not connect \(403\)\. Add https:\/\/example\.org to allowedOrigins/,
    async () => [ws(await start()), '--page', 'https://example.org/app?key=value'],
  ],
  [
    'a page of an origin that the broker has in its list',
    'origin',
    /^ok: pages of https:\/\/example\.org may connect/,
    async () => [
      ws(await start({ allowedOrigins: ['https://example.org'] })),
      '--page',
      'https://example.org/',
    ],
  ],
  [
    'a Mosquitto that pages of any site may connect to',
    'origin',
    /^warn: pages of any site may connect/,
    async (context) => {
      const port = await freePort()
      await startMosquitto(context, { lines: [`listener ${port} 127.0.0.1`, 'protocol websockets'] })
      await expect.poll(async () => (await knock('127.0.0.1', port, 1_000)).kind).toBe('open')
      return [ws(port)]
    },
  ],
  [
    'a broker that shortens the keep alive of a page',
    'background-tab',
    /^warn: a keep alive of 30 s \(the server says so\) may come too late from a tab in the background/,
    async () => [ws(await start({ limits: { maximumKeepAliveSecs: 30 } })), '--page', 'http://127.0.0.1/'],
  ],
]

it.for(causes)('the doctor finds %s: %s', LIMIT, async ([_title, code, expected, cause], context) => {
  const found = await examined(...(await cause(context)))
  expect(line(found.of(code))).toMatch(expected)
})

it(
  'the doctor finds nothing against a broker behind an nginx that is well set up',
  LIMIT,
  async (context) => {
    const server = [`location / { ${proxyPass(await start())} }`]
    const { checks } = await examined(ws(await startNginx(context, server)), '--idle', '1')
    expect(checks.filter(({ status }) => status === 'fail')).toEqual([])
  },
)
