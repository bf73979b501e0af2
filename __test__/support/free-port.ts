/** A port that nobody listens at. */
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the ports that systems give to clients, and to servers that ask for any: those of other tests, meanwhile. */
const PORTS = { least: 10_000, most: 29_999 }

/** A port of 127.0.0.1, or of `host`, that was free a moment ago and is nobody's by chance. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = PORTS.least + Math.floor(Math.random() * (PORTS.most - PORTS.least + 1))
    if (await isFree(port, host)) return port
  }
}

async function isFree(port: number, host: string): Promise<boolean> {
  const server = createServer().listen(port, host)
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
