/** This machine, as far as Linux tells in `/proc`: who listens at a port, and how many files a process may open. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'

/** A process that listens at a port. What may not be seen is undefined. */
export interface Listening {
  readonly pid: number | undefined
  /** Its name: `mosquitto`. */
  readonly name: string | undefined
}

const LISTEN = '0A'

/** Who listens at a port of this machine; empty where nobody does, or where that cannot be seen. */
export function listenersAt(port: number): Listening[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const inodes = new Set<string>()
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readText(table).split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/)
      if (fields[1]?.endsWith(`:${hex}`) && fields[3] === LISTEN && fields[9] !== undefined)
        inodes.add(fields[9])
    }
  }
  if (inodes.size === 0) return []
  const owners = new Map<number, Listening>()
  for (const pid of processes()) {
    if (descriptors(pid).some((target) => inodes.has(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? ''))) {
      owners.set(pid, { pid, name: readText(`/proc/${pid}/comm`).trim() || undefined })
    }
  }
  return owners.size > 0 ? [...owners.values()] : [{ pid: undefined, name: undefined }]
}

/** What a process may open and has open. */
export interface OpenFiles {
  readonly limit: number
  /** undefined where that cannot be seen. */
  readonly used: number | undefined
}

/** undefined where the system does not tell. */
export function openFiles(pid: number | 'self'): OpenFiles | undefined {
  const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(readText(`/proc/${pid}/limits`)) ?? []
  if (soft === undefined) return undefined
  const used = descriptors(pid).length
  return {
    limit: soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft),
    used: used === 0 ? undefined : used,
  }
}

/** Tries to listen: `free`, or the code of the error. */
export function tryPort(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => resolve(code))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve('free')))
  })
}

function processes(): number[] {
  return names('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

function descriptors(pid: number | 'self'): string[] {
  return names(`/proc/${pid}/fd`).map((name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`)
    } catch {
      // It was closed in this moment.
      return ''
    }
  })
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
