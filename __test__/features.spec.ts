/** Features from an option to what this process may publish. What clients meet is in vectors/exchanges/features.toml. */
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { defaultFeatures, featuresSchema } from '../src/features.js'
import { Broker, type BrokerOptions, type Features } from '../src/index.js'
import { resolveOptions } from '../src/options.js'

const open: Broker[] = []

afterEach(async () => {
  for (const broker of open.splice(0)) await broker.close()
})

async function start(features: BrokerOptions['features']): Promise<Broker> {
  const broker = await Broker.start({ features: { ...features } })
  open.push(broker)
  return broker
}

describe('the options', () => {
  it('switch nothing off unless they say so', () => {
    expect(resolveOptions({}).features).toEqual(defaultFeatures)
    expect(resolveOptions({ features: { retain: false } }).features).toEqual({
      ...defaultFeatures,
      retain: false,
    })
    expect(new Set(Object.values(defaultFeatures))).toEqual(new Set([2, true]))
  })

  const wrong: [unknown, string][] = [
    [{ maximumQos: 3 }, 'features.maximumQos must be a whole number from 0 to 2, not 3.'],
    [{ retain: 'no' }, 'features.retain must be true or false.'],
    [{ maximumQoS: 1 }, 'Did you mean features.maximumQos?'],
    [{ wildcards: false }, 'features.wildcards is not a known option.'],
    [true, 'features must be an object of features.'],
  ]
  it.each(wrong)('refuse %j', (features, message) => {
    expect(() => resolveOptions({ features })).toThrow(message)
  })

  it('refuse Response Information that no field of a packet holds', () => {
    for (const responseInformation of ['a\0b', 'x'.repeat(65_536), 1]) {
      expect(() => resolveOptions({ responseInformation })).toThrow(/^responseInformation must be text/)
    }
  })

  it('say in their comments what they are without', () => {
    const source = readFileSync(new URL('../src/features.ts', import.meta.url), 'utf8')
    for (const [name, value] of Object.entries(defaultFeatures)) {
      const [, comment] = new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\\s+readonly ${name}:`).exec(source) ?? []
      expect(comment).toMatch(/0x[9A][0-9A-F]/)
      expect(comment).toContain(`Default ${value}.`)
    }
    expect(Object.keys(featuresSchema.shape)).toEqual(Object.keys(defaultFeatures))
  })
})

describe('a message of this process', () => {
  it('is refused where what it asks for is switched off, and says which option that was', async () => {
    const broker = await start({ maximumQos: 1, retain: false })
    const refused = (option: keyof Features) => ({
      code: 'ERR_MQTT_INVALID_OPTION',
      message: expect.stringContaining(`features.${option}`),
    })
    await expect(broker.publish('t', 'x', { qos: 2 })).rejects.toMatchObject(refused('maximumQos'))
    await expect(broker.publish('t', 'x', { retain: true })).rejects.toMatchObject(refused('retain'))
    await broker.publish('t', 'x', { qos: 1 })
    expect(broker.metrics().retainedMessages).toBe(0)
  })

  it('reaches the subscriptions of this process, whatever clients may subscribe to', async () => {
    const broker = await start({ wildcardSubscriptions: false, sharedSubscriptions: false })
    const streams = [broker.messages('#'), broker.messages('$share/g/t')]
    await broker.publish('t', 'x')
    for (const stream of streams) expect((await stream.next()).value?.topicName).toBe('t')
  })
})
