/**
 * Looks after package-lock.json, which has to serve every platform and every registry.
 *
 *   node scripts/lint-lock.mjs          says what is wrong
 *   node scripts/lint-lock.mjs --fix    adds the entries that npm left out
 *
 * npm writes a lock file for the platform it runs on when it cannot see the packages of the others, and `npm ci` then
 * fails everywhere (npm/cli#4828). Their versions stand in the packages that want them, and what they are for stands in
 * their names, so the entries can be written without asking anybody.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { inRoot, main, say } from './lib/project.mjs'

const path = inRoot('package-lock.json')
const EXACT = /^\d+\.\d+\.\d+(-[\w.]+)?$/
const SYSTEMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]
const PROCESSORS = [
  'arm64',
  'arm',
  'ia32',
  'loong64',
  'mips64el',
  'ppc64',
  'riscv64',
  's390x',
  'wasm32',
  'x64',
]

/** Prints each problem. @returns the exit code */
export function lintLock() {
  const lock = JSON.parse(readFileSync(path, 'utf8'))
  const problems = [
    ...missingOptional(lock).map(({ name, wantedBy }) => `${wantedBy} wants ${name}, which has no entry`),
    ...entriesOf(lock)
      .filter(([, entry]) => entry.resolved !== undefined)
      .map(([at]) => `${at} names a registry: npm config set omit-lockfile-registry-resolved true`),
    ...entriesOf(lock)
      .filter(([, entry]) => entry.hasInstallScript === true && entry.dev !== true)
      .map(([at]) => `${at} runs a script when topicwire is installed`),
  ]
  for (const problem of problems) say(`package-lock.json: ${problem}`)
  return problems.length === 0 ? 0 : 1
}

/** Writes the missing entries, where npm itself would put them. */
function fixLock() {
  const lock = JSON.parse(readFileSync(path, 'utf8'))
  for (const { name, version, entry } of missingOptional(lock)) {
    if (!EXACT.test(version)) throw new Error(`${name}@${version} is a range: its entry needs npm`)
    lock.packages[`node_modules/${name}`] = {
      version,
      ...(entry.dev === true ? { dev: true } : {}),
      optional: true,
      ...platformOf(name),
    }
  }
  lock.packages = Object.fromEntries(entriesOf(lock).sort(([a], [b]) => a.localeCompare(b, 'en')))
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
}

function entriesOf(lock) {
  return Object.entries(lock.packages)
}

/** The optional dependencies of locked packages that Node's look-up would not find. */
function missingOptional(lock) {
  return entriesOf(lock).flatMap(([at, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !placesFor(at, name).some((place) => place in lock.packages))
      .map(([name, version]) => ({ name, version, entry, wantedBy: at })),
  )
}

/** `a/node_modules/b` looks in itself, in `a` and in the root. */
function placesFor(at, name) {
  const parents =
    at === ''
      ? []
      : at.split('/node_modules/').map((_, index, all) => all.slice(0, index + 1).join('/node_modules/'))
  return ['', ...parents].map((parent) => `${parent === '' ? '' : `${parent}/`}node_modules/${name}`)
}

/** `@x/y-linux-arm64-musl` is for linux, arm64, musl. */
function platformOf(name) {
  const words = name.split('/').at(-1).split('-')
  const cpu = PROCESSORS.find((known) => words.includes(known))
  const os = SYSTEMS.find((known) => words.includes(known))
  const libc = words.includes('musl')
    ? 'musl'
    : words.some((word) => word.startsWith('gnu'))
      ? 'glibc'
      : undefined
  return {
    ...(cpu === undefined ? {} : { cpu: [cpu] }),
    ...(libc === undefined || os !== 'linux' ? {} : { libc: [libc] }),
    ...(os === undefined ? {} : { os: [os] }),
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(() => {
    if (process.argv.includes('--fix')) fixLock()
    return lintLock()
  })
}
