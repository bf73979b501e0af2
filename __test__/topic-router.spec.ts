import { describe, expect, it } from 'vitest'
import { TopicRouter } from '../src/index.js'

describe('TopicRouter', () => {
  it('matches filters and gives each id once', () => {
    const router = new TopicRouter()
    expect(router.add('a/b', 1)).toBe(true)
    expect(router.add('a/b', 1)).toBe(false)
    router.add('a/+', 1)
    router.add('a/#', 2)
    router.add('#', 3)
    router.add('$SYS/#', 4)
    expect(router.size).toBe(5)
    expect(router.match('a/b').sort()).toEqual([1, 2, 3])
    expect(router.match('a').sort()).toEqual([2, 3])
    expect(router.match('$SYS/x')).toEqual([4])
    expect(router.remove('a/+', 1)).toBe(true)
    expect(router.remove('a/+', 1)).toBe(false)
    expect(router.match('a/c').sort()).toEqual([2, 3])
  })

  it('matches many topics in one call, in their order', () => {
    const router = new TopicRouter()
    for (let id = 0; id < 5000; id += 1) router.add('all/#', id)
    router.add('one', 4_294_967_295)
    const [all, none, one] = router.matchMany(['all/x', 'none', 'one'])
    expect(all).toHaveLength(5000)
    expect(new Set(all).size).toBe(5000)
    expect(none).toEqual([])
    expect(one).toEqual([4_294_967_295])
    expect(router.matchMany([])).toEqual([])
  })

  it('grows its results as they need it', () => {
    const router = new TopicRouter()
    for (let id = 0; id < 3000; id += 1) router.add('x', id)
    expect(router.match('x')).toHaveLength(3000)
  })

  it('takes topics of any length and any characters', () => {
    const router = new TopicRouter()
    for (const length of [1, 1019, 1020, 1021, 1023, 1024, 1025, 5000, 65_535]) {
      const topic = 'x'.repeat(length)
      router.add(topic, length)
      expect(router.match(topic)).toEqual([length])
    }
    for (const [id, topic] of ['é'.repeat(511), '日'.repeat(341), '🦊'.repeat(256), 'a/\u{fffd}'].entries()) {
      router.add(topic, id)
      expect(router.match(topic)).toEqual([id])
      expect(router.matchMany(['y', topic, 'z'])).toEqual([[], [id], []])
    }
    expect(() => router.match('x'.repeat(65_536))).toThrow(
      expect.objectContaining({ code: 'ERR_MQTT_INVALID_TOPIC_NAME' }),
    )
  })

  it('holds as much memory as it has filters', () => {
    const router = new TopicRouter()
    const empty = router.memoryBytes
    for (let id = 0; id < 5000; id += 1) router.add(`building/${id}/+`, id)
    expect(router.memoryBytes).toBeGreaterThan(empty + 5000 * 20)
    for (let id = 0; id < 5000; id += 1) router.remove(`building/${id}/+`, id)
    expect(router.memoryBytes).toBeLessThan(empty + 32_768)
  })

  it('says what is wrong', () => {
    const router = new TopicRouter()
    expect(() => router.add('a/#/b', 1)).toThrow(
      expect.objectContaining({ code: 'ERR_MQTT_INVALID_TOPIC_FILTER' }),
    )
    expect(() => router.match('a/+')).toThrow(
      expect.objectContaining({ code: 'ERR_MQTT_INVALID_TOPIC_NAME' }),
    )
    expect(() => router.matchMany(['a', '#'])).toThrow(/topic 1/)
    expect(() => router.matchMany(['a\0b', 'c'])).toThrow(
      expect.objectContaining({ code: 'ERR_MQTT_INVALID_TOPIC_NAME' }),
    )
    // @ts-expect-error: what callers without types do.
    expect(() => router.match(7)).toThrow(expect.objectContaining({ code: 'ERR_MQTT_INVALID_OPTION' }))
    for (const wrong of [7, undefined, ['a']]) {
      // @ts-expect-error: as above.
      expect(() => router.matchMany(['a', wrong])).toThrow(
        expect.objectContaining({ code: 'ERR_MQTT_INVALID_OPTION', message: 'Topic 1 must be a string.' }),
      )
    }
    // Nothing of that has stopped it.
    router.add('a', 1)
    expect(router.match('a')).toEqual([1])
    for (const id of [-1, 1.5, 4_294_967_296, Number.NaN]) {
      expect(() => router.add('a', id)).toThrow(expect.objectContaining({ code: 'ERR_MQTT_INVALID_OPTION' }))
    }
  })
})
