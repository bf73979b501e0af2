/** The first programs that a user meets, as they stand there: with our client, and with MQTT.js but for the import. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Broker } from '../../src/index.js'
import { parseMarkdown } from '../interop/markdown.js'
import { ROOT, Workshop, withPort } from '../interop/programs.js'

/** The import as it stands on a page, and what it is with each of the two. */
const named = { topicwire: "from 'topicwire'", mqtt: "from 'mqtt'" }
const whole = { topicwire: "import * as mqtt from 'topicwire'", mqtt: "import mqtt from 'mqtt'" }
const pages = [
  ['docs/client.md', named.topicwire, named],
  ['docs/from-mqttjs.md', named.topicwire, named],
  ['README.md', whole.mqtt, whole],
] as const

test.each(
  pages.flatMap(([page, stands, imports]) => [
    [page, 'topicwire', stands, imports.topicwire] as const,
    [page, 'mqtt', stands, imports.mqtt] as const,
  ]),
)(
  'the first client program of %s works with %s',
  { timeout: 60_000 },
  async (page, _library, stands, own) => {
    const { sections } = parseMarkdown(await readFile(join(ROOT, page), 'utf8'))
    const blocks = sections.flatMap(({ blocks }) => blocks)
    const block = blocks.find(({ language, text }) => language === 'js' && text.includes(stands))
    expect(block?.text.split(stands)).toHaveLength(2)
    const broker = await Broker.start({ port: 0, host: 'localhost' })
    onTestFinished(() => broker.close({ drainTimeoutMs: 0 }))
    const workshop = await Workshop.open()
    onTestFinished(() => workshop.close())
    const text = withPort(block?.text ?? '', broker.addresses[0]?.port ?? 0).replace(stands, own)
    const program = workshop.start('node', [await workshop.write('first.mjs', text)])
    await program.ends(0)
    expect(program.stdout.trim()).toBe(block?.expected)
  },
)
