import { describe, expect, it } from 'vitest'
import * as topicwire from '../../src/index.js'

/** The bench is plain JavaScript, so nothing of it has a type here. */
const { loads, packetsOf, chunksOf, readers, writers } = await import(
  new URL('../../bench/codec/loads.mjs', import.meta.url).href
)

describe.each(loads as { name: string }[])('the load $name', (load) => {
  it('is seen alike by both codecs, whatever the chunks', () => {
    const packets = packetsOf(load).length
    for (const size of [1, 10, 64]) {
      const both = readers(topicwire, load)
      for (const chunk of chunksOf(load, size))
        for (const side of ['mqtt-packet', 'topicwire']) both[side].read(chunk)
      expect(both.topicwire.seen()).toEqual(both['mqtt-packet'].seen())
      expect(both.topicwire.seen().packets).toBe(packets)
    }
  })

  it('is encoded by both to packets that decode alike', () => {
    const { version } = load as unknown as { version: 4 | 5 }
    const both = writers(topicwire, load)
    for (const packet of packetsOf(load).slice(0, 20)) {
      const [theirs, ours] = ['mqtt-packet', 'topicwire'].map((side) =>
        topicwire
          .decode(both[side](packet), { protocolVersion: version })
          .packets.map((one) => JSON.stringify(one)),
      )
      expect(ours).toEqual(theirs)
    }
  })
})
