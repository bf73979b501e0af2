import { describe, expect, it } from 'vitest'
import { formatAddress, parseAddresses } from '../../src/client/address.js'
import { type RedirectOptions, ServerList } from '../../src/client/servers.js'

const USE_ANOTHER_SERVER = 0x9c
const SERVER_MOVED = 0x9d

function list(urls: readonly string[], options: RedirectOptions = {}): ServerList {
  return new ServerList(
    urls.flatMap((url) => parseAddresses(url)),
    options,
  )
}

function nextOf(servers: ServerList): string {
  return formatAddress(servers.next())
}

describe('the next server', () => {
  it('is the same one until it fails, then the one after it, around', () => {
    const servers = list(['mqtt://a', 'mqtt://b', 'mqtt://c'])
    const seen = [nextOf(servers), nextOf(servers)]
    for (let count = 0; count < 3; count += 1) {
      servers.failed()
      seen.push(nextOf(servers))
    }
    expect(seen.map((url) => url.slice(7, 8)).join('')).toBe('aabca')
  })

  it('cannot be one of none', () => {
    expect(() => new ServerList([])).toThrow('There is no server to connect to.')
  })
})

describe('a redirection', () => {
  it('is not followed unless the options allow it', () => {
    const servers = list(['mqtt://a', 'mqtt://b'])
    servers.next()
    expect(servers.redirect(USE_ANOTHER_SERVER, 'c:1884', 0)).toMatchObject({
      code: 'ERR_MQTT_REDIRECT',
      reasonCode: USE_ANOTHER_SERVER,
      message:
        'mqtt://a:1883 sends the client to mqtt://c:1884, which the option followRedirects does not allow.',
    })
    expect(nextOf(servers)).toBe('mqtt://b:1883')
  })

  it('with 0x9C is followed for the time being', () => {
    const servers = list(['mqtt://a', 'mqtt://b'], { followRedirects: true })
    servers.next()
    expect(servers.redirect(USE_ANOTHER_SERVER, 'c', 0)).toBeUndefined()
    expect(nextOf(servers)).toBe('mqtt://c:1883')
    servers.failed()
    expect(nextOf(servers)).toBe('mqtt://a:1883')
  })

  it('with 0x9D is for good', () => {
    const servers = list(['mqtt://a', 'mqtt://b'], { followRedirects: true })
    servers.next()
    expect(servers.redirect(SERVER_MOVED, 'c', 0)).toBeUndefined()
    const seen = [nextOf(servers)]
    for (let count = 0; count < 2; count += 1) {
      servers.failed()
      seen.push(nextOf(servers))
    }
    expect(seen).toEqual(['mqtt://c:1883', 'mqtt://b:1883', 'mqtt://c:1883'])
  })

  it.each([
    ['mqtt://a', 'b', 'mqtt://b:1883'],
    ['mqtt://a:1999', 'b:1884', 'mqtt://b:1884'],
    ['mqtts://a', '10.10.151.22:8884 [fe80::9610:3eff:fe1c]:1883', 'mqtts://10.10.151.22:8884'],
    ['mqtt://a', '[fe80::1]:1884', 'mqtt://[fe80::1]:1884'],
    ['mqtt://a', 'mqtts://b', 'mqtts://b:8883'],
    ['ws://a:8083/mqtt', 'b:8084', 'ws://b:8084/mqtt'],
    ['mqtts://a', 'mqtt://b mqtts://c', 'mqtts://c:8883'],
    ['mqtt://a', '::: b', 'mqtt://b:1883'],
  ])('from %s by "%s" leads to %s', (from, reference, to) => {
    const servers = list([from], { followRedirects: true })
    servers.next()
    expect(servers.redirect(USE_ANOTHER_SERVER, reference, 0)).toBeUndefined()
    expect(nextOf(servers)).toBe(to)
  })

  it('takes the log-in along, unless the reference has its own', () => {
    const servers = list(['mqtt://ann:secret@a'], { followRedirects: true })
    servers.next()
    servers.redirect(USE_ANOTHER_SERVER, 'b', 0)
    expect(servers.next()).toMatchObject({ host: 'b', username: 'ann', password: 'secret' })
    servers.redirect(USE_ANOTHER_SERVER, 'mqtt://bob@c', 0)
    expect(servers.next()).toMatchObject({ host: 'c', username: 'bob' })
  })

  it.each([
    [undefined, 'sends the client to another server and does not say which.'],
    [' ', 'sends the client to another server and does not say which.'],
    ['unix:///run/m.sock', 'sends the client to "unix:///run/m.sock", which is no address.'],
    ['http://b', 'sends the client to "http://b", which is no address.'],
    ['mqtt://b', 'sends the client to mqtt://b:1883, which is not encrypted. That is not followed.'],
  ])('by %o from an encrypted server goes nowhere', (reference, sentence) => {
    const servers = list(['mqtts://a'], { followRedirects: true })
    servers.next()
    expect(servers.redirect(USE_ANOTHER_SERVER, reference, 0)?.message).toBe(`mqtts://a:8883 ${sentence}`)
    expect(nextOf(servers)).toBe('mqtts://a:8883')
  })

  it('is asked about, address by address', () => {
    const servers = list(['mqtt://a'], { followRedirects: ({ host }) => host.endsWith('.example.com') })
    servers.next()
    expect(servers.redirect(USE_ANOTHER_SERVER, 'evil.com b.example.com', 0)).toBeUndefined()
    expect(nextOf(servers)).toBe('mqtt://b.example.com:1883')
  })

  it('in a loop ends, and is followed again a minute later', () => {
    const servers = list(['mqtt://a'], { followRedirects: true, maximumRedirects: 3 })
    for (const host of ['b', 'a', 'b']) {
      servers.next()
      expect(servers.redirect(USE_ANOTHER_SERVER, host, 1_000)).toBeUndefined()
    }
    servers.next()
    expect(servers.redirect(USE_ANOTHER_SERVER, 'a', 2_000)?.message).toBe(
      'mqtt://b:1883 sends the client on to mqtt://a:1883, after 3 redirections in a minute.',
    )
    expect(nextOf(servers)).toBe('mqtt://a:1883')
    expect(servers.redirect(USE_ANOTHER_SERVER, 'b', 61_001)).toBeUndefined()
  })

  it('is nothing to other Reason Codes', () => {
    const servers = list(['mqtt://a'], { followRedirects: true })
    expect(servers.redirect(0x87, 'b', 0)).toBeUndefined()
    expect(nextOf(servers)).toBe('mqtt://a:1883')
  })
})
