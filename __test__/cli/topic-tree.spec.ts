import { describe, expect, it } from 'vitest'
import { paintWith } from '../../src/cli/lib/paint.js'
import { TopicTree } from '../../src/cli/ls/topic-tree.js'
import { rateText, Scroll, view } from '../../src/cli/ls/view.js'

function message(value: string, atMs: number, retain = false) {
  return { value, bytes: value.length, qos: 0, retain, atMs } as const
}

function topicsOf(tree: TopicTree, order: 'name' | 'rate' | 'time', nowMs = 10_000): string[] {
  return [...tree.walk(order, nowMs)]
    .filter(([node]) => node.message !== undefined)
    .map(([{ topic }]) => topic)
}

describe('a tree of topics', () => {
  it('has the last value of each, in the order of names with their numbers', () => {
    const tree = new TopicTree(10, 0)
    for (const topic of ['room10/t', 'room2/t', '/t', 'room2']) tree.add(topic, message('1', 1))
    tree.add('room2/t', message('2', 2))
    expect(topicsOf(tree, 'name')).toEqual(['/t', 'room2', 'room2/t', 'room10/t'])
    expect([...tree.walk('name', 2)].find(([{ topic }]) => topic === 'room2/t')?.[0].message?.value).toBe('2')
    expect(tree).toMatchObject({ topicCount: 4, messageCount: 5, cutMessageCount: 0 })
  })

  it('counts messages of further topics when it is full, and goes on with the known ones', () => {
    const tree = new TopicTree(2, 0)
    for (const topic of ['a', 'b', 'c', 'd', 'a']) tree.add(topic, message('x', 1))
    expect(tree).toMatchObject({ topicCount: 2, messageCount: 3, cutMessageCount: 2 })
  })

  it('is bounded in bytes, too', () => {
    const tree = new TopicTree(1_000_000, 0)
    const long = 'x'.repeat(65_000)
    for (let number = 0; number < 400; number++) tree.add(`${number}${long}`, message('x', 1))
    expect(tree.topicCount).toBeLessThan(300)
    expect(tree.cutMessageCount).toBe(400 - tree.topicCount)
  })

  it('takes a topic of slashes as some levels', () => {
    const tree = new TopicTree(10, 0)
    tree.add('/'.repeat(60_000), message('x', 1))
    expect([...tree.walk('name', 1)].length).toBe(32)
  })

  it('comes near to the rate of a topic, and adds up those below a level', () => {
    const tree = new TopicTree(10, 0)
    for (let atMs = 0; atMs <= 10_000; atMs += 100) tree.add('a/fast', message('x', atMs))
    for (let atMs = 0; atMs <= 10_000; atMs += 1_000) tree.add('a/slow', message('x', atMs))
    const [[branch] = []] = [...tree.walk('name', 10_000)]
    expect(branch && tree.rateOf(branch, 10_000)).toBeGreaterThan(10)
    expect(branch && tree.rateOf(branch, 10_000)).toBeLessThan(12.5)
    expect(topicsOf(tree, 'rate')).toEqual(['a/fast', 'a/slow'])
    expect(tree.rateOf(tree.root, 60_000)).toBeLessThan(0.01)
  })

  it('does not count what was retained as a rate, and sorts by the latest', () => {
    const tree = new TopicTree(10, 0)
    tree.add('old', message('x', 1, true))
    tree.add('new', message('x', 2, true))
    expect(tree.rateOf(tree.root, 10)).toBe(0)
    expect(topicsOf(tree, 'time')).toEqual(['new', 'old'])
  })
})

describe('the view', () => {
  const frame = {
    columns: 60,
    rows: 8,
    server: 'localhost:1883',
    filters: ['#'],
    order: 'name',
    trouble: undefined,
    maximumTopics: 50,
    paint: paintWith(false),
  } as const

  function many(): TopicTree {
    const tree = new TopicTree(50, 0)
    for (let number = 0; number < 60; number++) tree.add(`t${number}`, message(`v${number}`, 1, true))
    return tree
  }

  it('is as many lines as the screen, none wider than it', () => {
    const lines = view(many(), frame, new Scroll(), 10)
    expect(lines).toHaveLength(8)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60)
    expect(lines[1]).toMatch(/^t0 +v0/)
    expect(lines.at(-2)).toBe('Full: 10 messages of further topics are not shown (--max-to…')
    expect(lines.at(-1)).toMatch(/^lines 1-5 of 50/)
  })

  it('scrolls by keys, and not beyond the ends', () => {
    const [tree, scroll] = [many(), new Scroll()]
    const first = (key: string) => {
      scroll.press(key, 5)
      return view(tree, frame, scroll, 10)[1]?.split(' ')[0]
    }
    expect(['down', 'pagedown', 'end', 'down', 'up', 'home', 'up'].map(first)).toEqual([
      ...['t1', 't6', 't45', 't45', 't44', 't0', 't0'],
    ])
    expect(scroll.press('constructor', 5)).toBe(false)
  })

  it.each([
    [0, ''],
    [0.25, '0.25/s'],
    [12.34, '12.3/s'],
    [1234.5, '1235/s'],
  ])('a rate of %d is «%s»', (rate, text) => {
    expect(rateText(rate)).toBe(text)
  })
})
