import { describe, expect, it } from 'vitest'
import { isOriginAllowed } from '../../src/http/origin.js'

const LOCAL = '127.0.0.1'
const REMOTE = '192.0.2.7'
const PUBLIC = '192.0.2.1'

describe('isOriginAllowed', () => {
  // origin, Host header, peer, our address, the option allowedOrigins, allowed
  it.each<
    [
      string,
      string | undefined,
      string | undefined,
      string,
      string,
      readonly string[] | '*' | undefined,
      boolean,
    ]
  >([
    ['no browser', undefined, 'broker:1883', REMOTE, PUBLIC, undefined, true],
    ['no browser, with a list', undefined, 'broker:1883', REMOTE, PUBLIC, ['http://a.example'], true],
    [
      'same host and port',
      'http://broker.example:1883',
      'broker.example:1883',
      REMOTE,
      PUBLIC,
      undefined,
      true,
    ],
    [
      'same host, other port',
      'http://broker.example',
      'broker.example:1883',
      REMOTE,
      PUBLIC,
      undefined,
      true,
    ],
    [
      'same host, other case',
      'http://broker.example',
      'BROKER.example:1883',
      REMOTE,
      PUBLIC,
      undefined,
      true,
    ],
    ['same host over TLS', 'https://broker.example', 'broker.example', REMOTE, PUBLIC, undefined, true],
    ['same address', 'http://192.0.2.1:8080', '192.0.2.1:1883', REMOTE, PUBLIC, undefined, true],
    ['same IPv6 address', 'http://[2001:db8::1]', '[2001:db8::1]:1883', REMOTE, PUBLIC, undefined, true],
    ['another host', 'http://evil.example', 'broker.example:1883', REMOTE, PUBLIC, undefined, false],
    ['a host below ours', 'http://x.broker.example', 'broker.example', REMOTE, PUBLIC, undefined, false],
    ['no Host header', 'http://broker.example', undefined, REMOTE, PUBLIC, undefined, false],
    ['a broken Host header', 'http://broker.example', 'a b', REMOTE, PUBLIC, undefined, false],
    ['localhost from here', 'http://localhost:5173', '127.0.0.1:1883', LOCAL, LOCAL, undefined, true],
    ['127.0.0.1 from here', 'http://127.0.0.1:5173', 'localhost:1883', LOCAL, LOCAL, undefined, true],
    ['::1 from here', 'http://[::1]:5173', 'localhost:1883', '::1', '::1', undefined, true],
    ['a name below localhost', 'http://app.localhost', 'localhost:1883', LOCAL, LOCAL, undefined, true],
    [
      'IPv4 on an IPv6 socket',
      'http://localhost',
      'localhost',
      '::ffff:127.0.0.1',
      '::ffff:127.0.0.1',
      undefined,
      true,
    ],
    ['localhost from elsewhere', 'http://localhost:5173', 'localhost:1883', REMOTE, PUBLIC, undefined, false],
    ['a file from here', 'file://', 'localhost:1883', LOCAL, LOCAL, undefined, true],
    ['a file from elsewhere', 'file://', 'broker.example', REMOTE, PUBLIC, undefined, false],
    ['a page opened as a file', 'null', 'localhost:1883', LOCAL, LOCAL, undefined, true],
    ['null from elsewhere', 'null', 'broker.example', REMOTE, PUBLIC, undefined, false],
    ['null, with a list', 'null', 'localhost:1883', LOCAL, LOCAL, ['http://a.example'], false],
    ['null, on the list', 'null', 'broker.example', REMOTE, PUBLIC, ['null'], true],
    ['a site from here', 'https://evil.example', 'localhost:1883', LOCAL, LOCAL, undefined, false],
    [
      'a site whose name was bound to loopback',
      'http://evil.example:1883',
      'evil.example:1883',
      LOCAL,
      LOCAL,
      undefined,
      false,
    ],
    [
      'a name that only looks like loopback',
      'http://127.0.0.1.evil.example',
      'x',
      LOCAL,
      LOCAL,
      undefined,
      false,
    ],
    ['a name that ends like localhost', 'http://evillocalhost', 'x', LOCAL, LOCAL, undefined, false],
    ['an extension', 'chrome-extension://abc', 'localhost:1883', LOCAL, LOCAL, undefined, false],
    ['nonsense', 'not an origin', 'localhost:1883', LOCAL, LOCAL, undefined, false],
    ['listed', 'https://a.example', 'b.example', REMOTE, PUBLIC, ['https://a.example'], true],
    ['not listed', 'https://b.example', 'b.example', REMOTE, PUBLIC, ['https://a.example'], false],
    [
      'listed with another scheme',
      'http://a.example',
      'b.example',
      REMOTE,
      PUBLIC,
      ['https://a.example'],
      false,
    ],
    ['nobody', 'http://localhost', 'localhost', LOCAL, LOCAL, [], false],
    ['everybody', 'https://evil.example', 'b.example', REMOTE, PUBLIC, '*', true],
  ])('%s', (_title, origin, host, remoteAddress, localAddress, allowedOrigins, allowed) => {
    expect(isOriginAllowed({ origin, host, remoteAddress, localAddress }, allowedOrigins)).toBe(allowed)
  })
})
