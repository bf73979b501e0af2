/**
 * The programs that tests meet and `npm install` does not bring: Python with paho-mqtt, Mosquitto, Chromium, nginx.
 *
 * On a developer's machine a test whose program is missing is skipped and says what to install. In CI (`CI=true`)
 * it fails: nothing is skipped there without anybody noticing.
 */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, type TestContext } from 'vitest'

/** A program that a test may need. `paho1` and `paho2` are Python interpreters that have that paho-mqtt. */
export type PeerName =
  | 'python3'
  | 'paho1'
  | 'paho2'
  | 'mosquitto'
  | 'mosquitto-clients'
  | 'chromium'
  | 'tmux'
  | 'tshark'
  | 'nginx'

interface PeerPlace {
  /** Absolute paths, or names that are looked for on the PATH. */
  readonly candidates: readonly string[]
  /** What a developer does about it. */
  readonly advice: string
}

const root = fileURLToPath(new URL('../../', import.meta.url))

const places: Readonly<Record<PeerName, PeerPlace>> = {
  python3: { candidates: ['python3'], advice: 'install Python 3.9 or newer' },
  paho1: { candidates: [join(root, '.venv/paho1/bin/python')], advice: 'run `npm run peers`' },
  paho2: { candidates: [join(root, '.venv/paho2/bin/python')], advice: 'run `npm run peers`' },
  // Debian puts the server where only root's PATH looks.
  mosquitto: { candidates: ['mosquitto', '/usr/sbin/mosquitto'], advice: 'install the package mosquitto' },
  'mosquitto-clients': { candidates: ['mosquitto_pub'], advice: 'install the package mosquitto-clients' },
  nginx: { candidates: ['nginx', '/usr/sbin/nginx'], advice: 'install the package nginx' },
  tmux: { candidates: ['tmux'], advice: 'install the package tmux' },
  tshark: { candidates: ['tshark'], advice: 'install the package tshark' },
  chromium: {
    candidates: [process.env.CHROMIUM_PATH ?? 'chromium', 'chromium-browser', 'google-chrome'],
    advice: 'install the package chromium, or name one in CHROMIUM_PATH',
  },
}

/** The path of a program, or undefined when this machine does not have it. Never throws. */
export function findPeer(name: PeerName): string | undefined {
  for (const candidate of places[name].candidates) {
    const paths = candidate.includes('/')
      ? [candidate]
      : (process.env.PATH ?? '').split(delimiter).map((directory) => join(directory, candidate))
    const path = paths.find(isExecutable)
    if (path !== undefined) return path
  }
  return undefined
}

/** Inside a test: the path of a program. Without it the test is skipped with its reason, in CI it fails. */
export function requirePeer(name: PeerName, context: Pick<TestContext, 'skip'>): string {
  const path = findPeer(name)
  return path ?? unmet(reasonFor(name), context)
}

/** Inside a test: something that could be installed is missing. The test is skipped with its reason, in CI it fails. */
export function unmet(reason: string, context: Pick<TestContext, 'skip'>): never {
  if (isContinuousIntegration()) throw new Error(reason)
  return context.skip(reason)
}

/** A `describe` whose tests need programs. Without one of them the group is skipped with its reason, in CI it fails. */
export function describeWithPeers(names: readonly PeerName[], title: string, body: () => void): void {
  const missing = names.find((name) => findPeer(name) === undefined)
  if (missing === undefined) {
    describe(title, body)
    return
  }
  if (isContinuousIntegration()) throw new Error(`${title}: ${reasonFor(missing)}`)
  describe.skip(`${title} (${reasonFor(missing)})`, body)
}

function reasonFor(name: PeerName): string {
  return `${name} is missing: ${places[name].advice}`
}

function isContinuousIntegration(): boolean {
  const value = process.env.CI ?? ''
  return value !== '' && value !== 'false' && value !== '0'
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
