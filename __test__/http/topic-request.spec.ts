import { describe, expect, it } from 'vitest'
import { parseTopicRequest } from '../../src/http/topic-request.js'

function basic(credentials: string | Buffer): string {
  return `Basic ${Buffer.from(credentials).toString('base64')}`
}

describe('parseTopicRequest', () => {
  it.each([
    ['/topics/chat/room1', 'chat/room1'],
    ['/topics/a', 'a'],
    ['/topics/a//b', 'a//b'],
    ['/topics//a', '/a'],
    ['/topics/a/', 'a/'],
    ['/topics/a/../b', 'a/../b'],
    ['/topics/caf%C3%A9', 'café'],
    ['/topics/%F0%9F%98%80', '😀'],
    ['/topics/two%20words', 'two words'],
    ['/topics/a%2Fb', 'a/b'],
    ['/topics/50%25', '50%'],
    ['/topics/what%3F', 'what?'],
    ['/topics/%23', '#'],
    ['/topics/a/%23', 'a/#'],
    ['/topics/a/#', 'a/#'],
    ['/topics/+/b', '+/b'],
    ['/topics/a/%2B/b', 'a/+/b'],
    ['/topics/$SYS/%23', '$SYS/#'],
  ])('%s is %s', (target, topicFilter) => {
    expect(parseTopicRequest(target, undefined)).toEqual({
      request: { topicFilter, qos: 0, retained: true },
    })
  })

  it.each([
    ['', { qos: 0, retained: true }],
    ['?', { qos: 0, retained: true }],
    ['?qos=0', { qos: 0, retained: true }],
    ['?qos=1', { qos: 1, retained: true }],
    ['?qos=2&retained=false', { qos: 2, retained: false }],
    ['?retained=0', { qos: 0, retained: false }],
    ['?retained=1', { qos: 0, retained: true }],
    ['?retained=true', { qos: 0, retained: true }],
    ['?clientId=panel+7&&qos=1&', { qos: 1, retained: true, clientId: 'panel 7' }],
    ['?clientId=a=b', { qos: 0, retained: true, clientId: 'a=b' }],
    ['?clientId=panel%207&qos=1', { qos: 1, retained: true, clientId: 'panel 7' }],
  ])('reads the query %s', (query, expected) => {
    expect(parseTopicRequest(`/topics/a${query}`, undefined)).toEqual({
      request: { topicFilter: 'a', ...expected },
    })
  })

  it.each([
    ['/topics/', 0x90, 'The topic is empty: open /topics/ followed by one, as in /topics/chat/room1.'],
    ['/topics/?qos=1', 0x90, 'The topic is empty: open /topics/ followed by one, as in /topics/chat/room1.'],
    ['/topics/%', 0x90, 'The topic has a % that does not begin an encoded UTF-8 character.'],
    ['/topics/%ff', 0x90, 'The topic has a % that does not begin an encoded UTF-8 character.'],
    ['/topics/%ED%A0%80', 0x90, 'The topic has a % that does not begin an encoded UTF-8 character.'],
    ['/topics/a%00', 0x90, 'A topic cannot contain the character U+0000.'],
    [`/topics/${'a'.repeat(65_536)}`, 0x90, 'A topic cannot be longer than 65535 bytes.'],
    ['/topics/%23/a', 0x8f, '# (%23) stands alone in the last level of a topic, as in /topics/chat/%23.'],
    ['/topics/a%23', 0x8f, '# (%23) stands alone in the last level of a topic, as in /topics/chat/%23.'],
    ['/topics/a+', 0x8f, '+ stands alone in its level of a topic, as in /topics/chat/+.'],
    ['/topics/a?qos=3', 0x83, 'qos is 0, 1 or 2, not "3".'],
    ['/topics/a?qos=', 0x83, 'qos is 0, 1 or 2, not "".'],
    ['/topics/a?qos=01', 0x83, 'qos is 0, 1 or 2, not "01".'],
    ['/topics/a?retained=yes', 0x83, 'retained is true or false, not "yes".'],
    ['/topics/a?retain=1', 0x83, 'Unknown key "retain" in the URL; there are qos, retained and clientId.'],
    [
      '/topics/a?__proto__=1',
      0x83,
      'Unknown key "__proto__" in the URL; there are qos, retained and clientId.',
    ],
    ['/topics/a?qos=1&qos=2', 0x83, 'The key qos is in the URL twice.'],
    ['/topics/a??qos=1', 0x83, 'Unknown key "?qos" in the URL; there are qos, retained and clientId.'],
    ['/topics/a?clientId=%ff', 0x83, 'The query has a % that does not begin an encoded UTF-8 character.'],
    ['/topics/a?clientId=50%', 0x83, 'The query has a % that does not begin an encoded UTF-8 character.'],
    ['/topics/a?clientId=', 0x83, 'clientId is empty; leave it out to be given one.'],
  ])('refuses %.40s', (target, reasonCode, text) => {
    expect(parseTopicRequest(target, undefined)).toEqual({ refusal: { reasonCode, text } })
  })

  it('cuts and escapes what it quotes', () => {
    const result = parseTopicRequest(`/topics/a?%0a${'x'.repeat(100)}=1`, undefined)
    expect(result).toMatchObject({ refusal: { text: expect.stringContaining(`"\\n${'x'.repeat(31)}"`) } })
  })

  it.each([
    [basic('ada:secret'), 'ada', Buffer.from('secret')],
    [basic('ada:se:cr:et'), 'ada', Buffer.from('se:cr:et')],
    [basic('ada:'), 'ada', Buffer.alloc(0)],
    [basic(':secret'), '', Buffer.from('secret')],
    [basic('\ufeffada:secret'), '\ufeffada', Buffer.from('secret')],
    [basic(Buffer.of(0x61, 0x3a, 0xff, 0x00)), 'a', Buffer.of(0xff, 0x00)],
    [`bASIC ${Buffer.from('ada:x').toString('base64')}`, 'ada', Buffer.from('x')],
  ])('takes the credentials of %s', (authorization, username, password) => {
    expect(parseTopicRequest('/topics/a', authorization)).toEqual({
      request: { topicFilter: 'a', qos: 0, retained: true, username, password },
    })
  })

  it.each(['Bearer abc', 'Basic', 'Basic ???', basic('no colon'), basic(Buffer.of(0xff, 0x3a)), ''])(
    'refuses the credentials %s',
    (authorization) => {
      expect(parseTopicRequest('/topics/a', authorization)).toMatchObject({ refusal: { reasonCode: 0x86 } })
    },
  )
})
