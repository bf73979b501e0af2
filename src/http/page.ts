/**
 * The page at `/`, for browsers: the files that `web/` was built into. Whoever does not ask for HTML gets the plain
 * text of pages.ts, and so does everybody where `status` is off: the page shows what those topics tell.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname } from 'node:path'

/** Where the page's own files are. */
const FILES_PATH = '/page/'
/** The same from src/http and from dist/http. */
const DIRECTORY = new URL('../../dist/page/', import.meta.url)

const types: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
])

interface PageFile {
  readonly body: Buffer
  readonly type: string
  readonly etag: string
  /** Its name says what is in it. */
  readonly isFixed: boolean
}

/** Read when the first browser comes. */
let files: ReadonlyMap<string, PageFile> | undefined

/** Answers a request for the page or one of its files. False, and nothing done, where it is for something else. */
export function answerPage(request: IncomingMessage, response: ServerResponse, path: string): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false
  const isFront = path === '/' && asksForHtml(request)
  if (!isFront && !path.startsWith(FILES_PATH)) return false
  files ??= readFiles()
  const file = files.get(isFront ? 'index.html' : path.slice(FILES_PATH.length))
  if (file === undefined || (!isFront && path.endsWith('.html'))) return false
  request.resume()
  response.setHeader('ETag', file.etag)
  response.setHeader('X-Content-Type-Options', 'nosniff')
  if (isFront) {
    response.setHeader('Cache-Control', 'no-store')
    response.setHeader('Vary', 'Accept')
    response.setHeader('Referrer-Policy', 'no-referrer')
    response.setHeader('Content-Security-Policy', policy(request.headers.host))
  } else {
    response.setHeader(
      'Cache-Control',
      file.isFixed ? 'public, max-age=31536000, immutable' : 'public, no-cache',
    )
  }
  if (!isFront && request.headers['if-none-match'] === file.etag) {
    response.writeHead(304).end()
    return true
  }
  response.writeHead(200, { 'Content-Type': file.type, 'Content-Length': file.body.length })
  response.end(request.method === 'HEAD' ? undefined : file.body)
  return true
}

/** What browsers say when somebody opens an address; programs say something else or nothing. */
function asksForHtml(request: IncomingMessage): boolean {
  return /\btext\/html\b/i.test(request.headers.accept ?? '')
}

/**
 * Nothing from elsewhere, nothing inline. `'self'` does not stand for WebSockets in every browser: they are named.
 */
function policy(host: string | undefined): string {
  const isNamed = host !== undefined && /^[\w.:[\]-]+$/.test(host)
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self'${isNamed ? ` ws://${host} wss://${host}` : ''}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

function readFiles(): ReadonlyMap<string, PageFile> {
  let names: string[] = []
  try {
    names = readdirSync(DIRECTORY)
  } catch {
    // A checkout of which only the TypeScript was compiled: there is no page.
  }
  const found = new Map<string, PageFile>()
  for (const name of names) {
    const type = types.get(extname(name))
    if (type === undefined) continue
    const body = readFileSync(new URL(name, DIRECTORY))
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
    found.set(name, { body, type, etag, isFixed: /-[\w-]{8}\.(js|css)$/.test(name) })
  }
  return found
}
