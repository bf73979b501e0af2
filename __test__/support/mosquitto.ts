/** A Mosquitto of a test's own. */
import { spawn } from 'node:child_process'
import { createConnection } from 'node:net'
import { onTestFinished, type TestContext } from 'vitest'
import { freePort } from './free-port.js'
import { requirePeer } from './peers.js'
import { temporaryFile } from './temporary.js'

const PATIENCE_MS = 10_000

/**
 * Starts one at a free port, which is the answer; it ends with the test. Without `open` it refuses everybody; `lines` are
 * further ones of its configuration.
 */
export async function startMosquitto(
  context: Pick<TestContext, 'skip'>,
  { open = true, lines = [] }: { open?: boolean; lines?: readonly string[] } = {},
): Promise<number> {
  const program = requirePeer('mosquitto', context)
  const port = await freePort()
  const configuration = [
    `listener ${port} 127.0.0.1`,
    `allow_anonymous ${open}`,
    'log_type none',
    ...lines,
    '',
  ]
  const path = temporaryFile('mosquitto.conf', configuration.join('\n'))
  const child = spawn(program, ['-c', path], { stdio: 'ignore' })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const deadline = performance.now() + PATIENCE_MS
  while (!(await answers(port))) {
    if (performance.now() > deadline) throw new Error(`mosquitto did not listen within ${PATIENCE_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return port
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
