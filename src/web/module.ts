/**
 * `/client.js`: the browser module, src/browser in one file. Any page may load it; what a page may do with it is decided
 * by its origin when it connects.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'

export const MODULE_PATH = '/client.js'
/** The same from src/web and from dist/web. */
const FILE = new URL('../../dist/browser/client.min.js', import.meta.url)

interface Module {
  readonly plain: Buffer
  readonly compressed: Buffer
  readonly etag: string
}

/** Read when somebody first asks for it; null where it was not built. */
let file: Module | null | undefined

/** Answers GET and HEAD. False, and nothing done, for another method, or where the module was not built. */
export function answerModule(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false
  file ??= read()
  if (file === null) return false
  request.resume()
  response.setHeader('ETag', file.etag)
  response.setHeader('Vary', 'Accept-Encoding')
  response.setHeader('Access-Control-Allow-Origin', '*')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  // The address stays when the broker is updated, so a browser asks each time, and is told that nothing has changed.
  response.setHeader('Cache-Control', 'public, no-cache')
  if (request.headers['if-none-match'] === file.etag) {
    response.writeHead(304).end()
    return true
  }
  const isCompressed = /\bgzip\b/.test(request.headers['accept-encoding']?.toString() ?? '')
  const body = isCompressed ? file.compressed : file.plain
  if (isCompressed) response.setHeader('Content-Encoding', 'gzip')
  response.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8', 'Content-Length': body.length })
  response.end(request.method === 'HEAD' ? undefined : body)
  return true
}

function read(): Module | null {
  let plain: Buffer
  try {
    plain = readFileSync(FILE)
  } catch {
    return null
  }
  const hash = createHash('sha256').update(plain).digest('base64url')
  return { plain, compressed: gzipSync(plain, { level: 9 }), etag: `W/"${hash.slice(0, 22)}"` }
}
