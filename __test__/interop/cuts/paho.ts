/** paho-mqtt with its own reconnecting and its own queues, in a Python process for each client (python/cuts.py). */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { findPeer } from '../../support/peers.js'
import type { Generation, ProtocolVersion } from '../peers/paho.js'
import type { CutPair, Handed } from './pair.js'

export function pahoPair(generation: Generation, version: ProtocolVersion): CutPair {
  const open = (role: 'publish' | 'subscribe', port: number, clientId: string, topicName: string) => {
    const script = fileURLToPath(new URL('../python/cuts.py', import.meta.url))
    const args = ['-u', script, role, `${port}`, `${version}`, clientId, topicName]
    const child = spawn(findPeer(`paho${generation}`) ?? 'python3', args, { stdio: 'pipe' })
    child.stderr.pipe(process.stderr)
    return { child, lines: createInterface({ input: child.stdout }) }
  }
  return {
    name: `paho-mqtt ${generation === 1 ? '1.6' : '2'} (${version === 5 ? '5.0' : '3.1.1'})`,
    protocolVersion: version,
    program: `paho${generation}`,
    needsConnack: true,
    needsSuback: false,
    async subscriber(port, clientId, topicName) {
      const { child, lines } = open('subscribe', port, clientId, topicName)
      await nextLine(child, lines)
      const handed: Handed[] = []
      lines.on('line', (line) => {
        const [number, qos] = line.split(' ').map(Number)
        handed.push({ number: number ?? -1, qos: qos as 1 | 2 })
      })
      return { handed, close: () => end(child) }
    },
    async publisher(port, clientId, topicName) {
      const { child, lines } = open('publish', port, clientId, topicName)
      let acknowledged = 0
      let settle = () => {}
      lines.on('line', (line) => {
        acknowledged = Number(line)
        settle()
      })
      return {
        publishUpTo: (number) => child.stdin.write(`${number}\n`),
        finished: (count) =>
          new Promise((resolve) => {
            settle = () => {
              if (acknowledged >= count) resolve()
            }
            settle()
          }),
        close: () => end(child),
      }
    },
  }
}

async function nextLine(child: ChildProcessWithoutNullStreams, lines: Interface): Promise<string> {
  const end = once(child, 'exit').then(() => Promise.reject(new Error('the Python process has ended')))
  end.catch(() => {})
  const [line] = await Promise.race([once(lines, 'line'), end])
  return line as string
}

async function end(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.stdin.end()
  const impatience = setTimeout(() => child.kill('SIGKILL'), 1_000)
  await exit
  clearTimeout(impatience)
}
