/** The first programs that a user meets, as they stand there: with our client, and with MQTT.js but for the import. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Broker } from '../../src/index.js'
import { parseMarkdown } from '../interop/markdown.js'
import { ROOT, Workshop, withPort } from '../interop/programs.js'

const OURS = "from 'topicwire'"

test.each(
  ['docs/client.md', 'docs/from-mqttjs.md'].flatMap((page) => [
    [page, 'topicwire'] as const,
    [page, 'mqtt'] as const,
  ]),
)('the first program of %s works with %s', { timeout: 60_000 }, async (page, library) => {
  const { sections } = parseMarkdown(await readFile(join(ROOT, page), 'utf8'))
  const block = sections.flatMap(({ blocks }) => blocks).find(({ language }) => language === 'js')
  expect(block?.text.split(OURS)).toHaveLength(2)
  const broker = await Broker.start({ port: 0, host: 'localhost' })
  onTestFinished(() => broker.close({ drainTimeoutMs: 0 }))
  const workshop = await Workshop.open()
  onTestFinished(() => workshop.close())
  const text = withPort(block?.text ?? '', broker.addresses[0]?.port ?? 0).replace(OURS, `from '${library}'`)
  const program = workshop.start('node', [await workshop.write('first.mjs', text)])
  await program.ends(0)
  expect(program.stdout.trim()).toBe(block?.expected)
})
