import { describe, expect, it } from 'vitest'
import { readEnvironment, variableOf } from '../../src/cli/environment.js'

describe('readEnvironment', () => {
  it('reads variables with our prefix, `__` going one level down', () => {
    expect(
      readEnvironment({
        PATH: '/bin',
        TOPICWIRE_PORT: '1999',
        TOPICWIRE_ALLOW_ANONYMOUS: 'true',
        TOPICWIRE_LIMITS__MAXIMUM_PACKET_SIZE_BYTES: '2000000',
        TOPICWIRE_LIMITS__QUEUE_FULL_POLICY: 'dropOldest',
        TOPICWIRE_LOG__LEVEL: 'debug',
        TOPICWIRE_ALLOWED_ORIGINS: '[https://a.example, https://b.example]',
        TOPICWIRE_TLS__CERT_FILE: '/certs/cert.pem',
      }),
    ).toEqual({
      port: 1999,
      allowAnonymous: true,
      limits: { maximumPacketSizeBytes: 2_000_000, queueFullPolicy: 'dropOldest' },
      log: { level: 'debug' },
      allowedOrigins: ['https://a.example', 'https://b.example'],
      tls: { certFile: '/certs/cert.pem' },
    })
  })

  it('leaves text alone where an option is text, even if it looks like a number', () => {
    expect(readEnvironment({ TOPICWIRE_TLS__PASSPHRASE: '0123' })).toEqual({ tls: { passphrase: '0123' } })
    expect(readEnvironment({ TOPICWIRE_TLS__PASSPHRASE: '[a' })).toEqual({ tls: { passphrase: '[a' } })
  })

  it('takes an empty variable as none', () => {
    expect(readEnvironment({ TOPICWIRE_PORT: '', TOPICWIRE_HOST: undefined })).toEqual({})
  })

  it('is not confused by what Kubernetes sets beside a service of our name', () => {
    expect(
      readEnvironment({
        TOPICWIRE_PORT: 'tcp://10.0.0.7:1883',
        TOPICWIRE_PORT_1883_TCP: 'tcp://10.0.0.7:1883',
        TOPICWIRE_PORT_1883_TCP_ADDR: '10.0.0.7',
        TOPICWIRE_SERVICE_HOST: '10.0.0.7',
        TOPICWIRE_SERVICE_PORT_MQTT: '1883',
      }),
    ).toEqual({})
  })

  it('answers an unknown variable with the nearest known one', () => {
    expect(() => readEnvironment({ TOPICWIRE_PROT: '1' })).toThrow(
      'TOPICWIRE_PROT is not a known variable. Did you mean TOPICWIRE_PORT?',
    )
    expect(() => readEnvironment({ TOPICWIRE_LIMITS_RECEIVE_MAXIMUM: '1' })).toThrow(
      'Did you mean TOPICWIRE_LIMITS__RECEIVE_MAXIMUM?',
    )
  })

  it('answers a wrong value with the name of its variable', () => {
    expect(() => readEnvironment({ TOPICWIRE_LIMITS__RECEIVE_MAXIMUM: 'many' })).toThrow(
      'TOPICWIRE_LIMITS__RECEIVE_MAXIMUM: limits.receiveMaximum must be a whole number from 1 to 65535, not "many".',
    )
    expect(() => readEnvironment({ TOPICWIRE_LISTENERS: '[{ protocol: ws, prt: 1 }]' })).toThrow(
      'TOPICWIRE_LISTENERS: listeners[0].prt is not a known option. Did you mean listeners[0].port?',
    )
  })
})

it('variableOf spells an option as its variable', () => {
  expect(variableOf('limits.maximumPacketSizeBytes')).toBe('TOPICWIRE_LIMITS__MAXIMUM_PACKET_SIZE_BYTES')
})
