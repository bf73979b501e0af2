import { describe, expect, it } from 'vitest'
import { mistakeIn, nearMiss } from '../../../src/cli/doctor/nearest.js'
import { recognizeServer } from '../../../src/knowledge/first-bytes.js'

describe('a filter that nearly fits', () => {
  it.each([
    ['home/door', 'home/door', undefined],
    ['home/+', 'home/door', undefined],
    ['#', 'home/door', undefined],
    ['#', '$SYS/broker/uptime', 'wildcards at the beginning do not match topics that begin with $'],
    [
      '+/broker/uptime',
      '$SYS/broker/uptime',
      'wildcards at the beginning do not match topics that begin with $',
    ],
    ['home/#', '$SYS/broker/uptime', undefined],
    ['/home/door', 'home/door', 'the filter begins with /, the topic does not'],
    ['home/+', '/home/door', 'the topic begins with /, the filter does not'],
    ['home/door/', 'home/door', 'one of them ends with a /, which makes it another topic'],
    ['Home/door', 'home/Door', 'capitals count'],
    ['home/ door', 'home/door', 'one of them has a space in it'],
    ['home', 'home/door/state', 'the topic is below the filter, which takes /# at its end'],
    ['home/+', 'home/door/state', 'the topic is below the filter, which takes /# at its end'],
    ['home/*/state', 'home/door/state', 'the wildcards of MQTT are + and #, not *'],
    ['home/*', 'home/door/state', 'the wildcards of MQTT are + and #, not *'],
    ['home/temprature', 'home/temperature', 'they differ in one character'],
    ['home/door', 'garden/gate', undefined],
    ['a/b', 'c/d', undefined],
  ])('%s and %s: %s', (filter, topic, why) => {
    expect(nearMiss(filter, topic)).toBe(why)
  })

  it.each([
    ['home/door', undefined],
    ['#', undefined],
    ['a/+/c/#', undefined],
    ['100%/*', undefined],
    ['', 'a topic filter has at least one character'],
    ['home/#/door', '# stands alone in the last level, as in a/b/#'],
    ['home#', '# stands alone in the last level, as in a/b/#'],
    ['home/room+', '+ stands alone in its level, as in a/+/c'],
  ])('%j as it stands: %s', (filter, mistake) => {
    expect(mistakeIn(filter)).toBe(mistake)
  })
})

describe('a server that is no broker', () => {
  it.each([
    ['SSH-2.0-OpenSSH_9.2\r\n', 'SSH'],
    ['AMQP\0\0\x09\x01', 'AMQP'],
    ['220 mail.example.org ESMTP\r\n', 'SMTP'],
    ['220 ready\r\n', 'FTP or SMTP'],
    ['+OK ready\r\n', 'POP3'],
    ['* OK ready\r\n', 'IMAP'],
    ['-ERR unknown command\r\n', 'Redis'],
    ['INFO {"server_id":"x"}\r\n', 'NATS'],
    ['ERROR\nmessage:x\n\n\0', 'STOMP'],
    ['\x20\x02\0\0', undefined],
    ['', undefined],
  ])('%j is %s', (said, name) => {
    expect(recognizeServer(Buffer.from(said, 'latin1'))).toBe(name)
  })
})
