/** An nginx of a test's own. */
import { spawn } from 'node:child_process'
import { createConnection } from 'node:net'
import { onTestFinished, type TestContext } from 'vitest'
import { freePort } from './free-port.js'
import { requirePeer } from './peers.js'
import { temporaryDirectory } from './temporary.js'
import { until } from './until.js'

const PATIENCE_MS = 10_000

/**
 * Starts one at a free port of 127.0.0.1, which is the answer; it ends with the test. `server` is what stands in its
 * `server` block beside the port; `files` are further files beside its configuration, which it finds under their names.
 */
export async function startNginx(
  context: Pick<TestContext, 'skip'>,
  server: readonly string[],
  { listen = '', files = {} }: { listen?: string; files?: Readonly<Record<string, string>> } = {},
): Promise<number> {
  const program = requirePeer('nginx', context)
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const configuration = [
    'daemon off; master_process off; pid nginx.pid; error_log error.log;',
    'events {}',
    'http {',
    '  access_log off;',
    ...temporary.map((name) => `  ${name}_temp_path ${name};`),
    `  server { listen 127.0.0.1:${port}${listen}; ${server.join(' ')} }`,
    '}',
    '',
  ]
  const directory = temporaryDirectory({ 'nginx.conf': configuration.join('\n'), ...files })
  const child = spawn(program, ['-p', directory, '-c', 'nginx.conf', '-e', 'error.log'], { stdio: 'ignore' })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let isUp = false
  const ask = (): void => {
    const socket = createConnection({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      isUp = true
      socket.destroy()
    })
    socket.once('error', () => setTimeout(ask, 20))
  }
  ask()
  await until(() => isUp || child.exitCode !== null, 'nginx', PATIENCE_MS)
  if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`)
  return port
}

/** What an nginx needs to pass WebSockets on to a port of 127.0.0.1. */
export function proxyPass(port: number): string {
  return `proxy_pass http://127.0.0.1:${port}; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_set_header Host $http_host;`
}
