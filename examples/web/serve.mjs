// What the three applications share: a web server for the files of one folder, and the end by Ctrl-C.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname } from 'node:path'

const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript' }

// What every page here may do: its own scripts, and the broker.
// The last two give workers `SharedArrayBuffer`, which the ticker stops its reader with.
const HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

/** Serves a folder, /style.css, and /broker.js, by which its pages know where the broker is. */
export async function serve(folder, broker, port) {
  const { port: brokerPort } = broker.addresses[0]
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname
    const name = path === '/' ? 'index.html' : path.slice(1)
    try {
      // One level of plain names: nothing outside the folder can be asked for.
      if (!/^[a-z]+\.(html|css|js)$/.test(name)) throw new Error('no such file')
      const text =
        name === 'broker.js'
          ? `export const broker = 'http://' + location.hostname + ':${brokerPort}'\n`
          : await readFile(new URL(name, name === 'style.css' ? import.meta.url : folder))
      const type = `${TYPES[extname(name)]}; charset=utf-8`
      response.writeHead(200, { ...HEADERS, 'Content-Type': type }).end(text)
    } catch {
      response.writeHead(404, HEADERS).end('There is nothing here.\n')
    }
  })
  server.listen(port, 'localhost')
  await once(server, 'listening')
  return { url: `http://localhost:${server.address().port}/`, close: () => server.close() }
}

/** Calls these, in order, at Ctrl-C or when the process is asked to end. */
export function onEnd(...steps) {
  const end = async () => {
    for (const step of steps) await step()
    process.exit(0)
  }
  process.once('SIGINT', end).once('SIGTERM', end)
}
