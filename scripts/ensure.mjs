/**
 * Brings a checkout up to date: dependencies, the native addon, the JavaScript in dist/, the page in dist/page/. Each is only made when it
 * is missing or older than what it is made from, so that a call with nothing to do takes a moment.
 *
 *   node scripts/ensure.mjs [--only=dependencies|native|typescript|page] [--rebuild]
 *
 * `npm start`, `npm test` and the rest begin with it, and so does `npm install` in a checkout (as `prepare`). Whoever
 * installs the published package never runs it.
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  inRoot,
  isAtLeast,
  main,
  modifiedMs,
  newestMs,
  runNpm,
  runPackageBin,
  Stop,
  say,
  searchPath,
} from './lib/project.mjs'

/** The addon is made of these crates; the others of the workspace do not matter to it. */
const addonCrates = ['codec', 'topics', 'session', 'broker', 'store', 'websocket', 'napi']
const stamp = inRoot('dist', '.built')
const pageDirectory = inRoot('dist', 'page')
const pageStamp = inRoot('dist', '.page-built')
const steps = {
  dependencies: ensureDependencies,
  native: ensureNative,
  typescript: ensureTypeScript,
  page: ensurePage,
}

/** Makes what is missing or old; with `rebuild` all of it. @throws Stop when something is missing on the machine. */
export async function ensure({ only = Object.keys(steps), rebuild = false } = {}) {
  checkNode()
  for (const name of only) await steps[name](rebuild)
}

/** What is older than its sources, in words. */
export function staleParts() {
  return [
    ...(nativeIsCurrent() ? [] : ['the native addon']),
    ...(typeScriptIsCurrent() ? [] : ['dist/']),
    ...(pageIsCurrent() ? [] : ['dist/page/']),
  ]
}

function checkNode() {
  if (isAtLeast(process.versions.node, '20')) return
  throw new Stop([
    'topicwire needs Node.js 20 or newer.',
    `  Found  : ${process.version}`,
    '  Fix    : https://nodejs.org',
  ])
}

async function ensureDependencies() {
  // Under `npm install` npm is doing this very thing, and runs us when it is done.
  if (process.env.npm_lifecycle_event === 'prepare' || dependenciesAreCurrent()) return
  say('installing dependencies')
  const exitCode = await runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    stdout: process.stderr,
  })
  if (exitCode !== 0) throw new Stop(['npm ci failed; npm says why above.'])
}

/** Compares the lock file with npm's own record of what it has installed. */
function dependenciesAreCurrent() {
  const record = inRoot('node_modules', '.package-lock.json')
  if (!existsSync(record)) return false
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages
  const wanted = JSON.parse(readFileSync(inRoot('package-lock.json'), 'utf8')).packages
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true
    const found = installed[path]
    if (found === undefined) return entry.optional === true || entry.devOptional === true
    return found.version === entry.version
  })
}

function nativeIsCurrent() {
  const addon = findAddon()
  const isComplete = addon !== undefined && existsSync(inRoot('index.js')) && existsSync(inRoot('index.d.ts'))
  return isComplete && modifiedMs(addon) >= newestMs(addonSources(), ['tests', 'benches', 'README.md'])
}

async function ensureNative(rebuild) {
  if (process.env.TOPICWIRE_SKIP_NATIVE === '1') return
  if (nativeIsCurrent() && !rebuild) return
  const started = Date.now()
  const addon = findAddon()
  if (lacksDevDependencies('@napi-rs/cli')) return
  checkRust(addon)
  say(addon === undefined ? 'building the native addon (about a minute)' : 'rebuilding the native addon')
  const args = ['build', '--platform', '--release', '--esm', '--js', 'index.js', '--dts', 'index.d.ts']
  const place = [
    '--package',
    'topicwire-napi',
    '--manifest-path',
    'crates/napi/Cargo.toml',
    '--output-dir',
    '.',
  ]
  const exitCode = await runPackageBin('@napi-rs/cli', 'napi', [...args, ...place], {
    stdout: process.stderr,
  })
  const built = findAddon()
  if (exitCode !== 0 || built === undefined) {
    throw new Stop([
      'The native addon could not be built: the first error above says why.',
      '  Again  : npm run build:native',
    ])
  }
  // As old as the start of the build: what is edited while it runs is newer.
  utimesSync(built, new Date(started), new Date(started))
}

function addonSources() {
  const crates = addonCrates.flatMap((name) =>
    ['Cargo.toml', 'build.rs', 'src'].map((entry) => inRoot('crates', name, entry)),
  )
  return [inRoot('Cargo.toml'), inRoot('Cargo.lock'), ...crates]
}

/** The addon for this platform, the newest if there are several (two C libraries on Linux). */
function findAddon() {
  const start = `topicwire.${process.platform}-${process.arch}`
  const files = readdirSync(inRoot()).filter((name) => name.startsWith(start) && name.endsWith('.node'))
  return files.map((name) => inRoot(name)).sort((a, b) => modifiedMs(b) - modifiedMs(a))[0]
}

function checkRust(addon) {
  const wanted = /rust-version = "([\d.]+)"/.exec(readFileSync(inRoot('Cargo.toml'), 'utf8'))[1]
  const found = versionOf('cargo')
  const lacks = []
  if (found === undefined) lacks.push([`Rust >= ${wanted} (cargo)`, 'no cargo on PATH', 'https://rustup.rs'])
  else if (!isAtLeast(found, wanted))
    lacks.push([`Rust >= ${wanted}`, `Rust ${found}`, 'rustup update stable'])
  if (process.platform !== 'win32' && !hasProgram('cc') && process.env.CC === undefined) {
    lacks.push([
      'a C linker (cc)',
      'no cc on PATH',
      'apt-get install gcc libc6-dev, or xcode-select --install',
    ])
  }
  if (lacks.length === 0) return
  const platform = `${process.platform}-${process.arch}`
  throw new Stop([
    addon === undefined
      ? `This is a source checkout and no prebuilt binary for ${platform} is here.`
      : `The native binary for ${platform} is older than its sources.`,
    ...lacks.flatMap(([need, have, fix]) => [`  Needed : ${need}   Found: ${have}`, `  Fix    : ${fix}`]),
    '  Then   : npm start',
    '  Or     : TOPICWIRE_SKIP_NATIVE=1 npm install   (TypeScript only, what is native does not run)',
  ])
}

function versionOf(program) {
  const result = spawnSync(program, ['--version'], {
    encoding: 'utf8',
    env: { ...process.env, PATH: searchPath() },
  })
  return /\d+\.\d+\.\d+/.exec(result.stdout ?? '')?.[0]
}

function hasProgram(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined
}

function typeScriptIsCurrent() {
  const settings = ['tsconfig.json', 'tsconfig.build.json', 'index.d.ts', 'package-lock.json']
  return modifiedMs(stamp) >= newestMs([inRoot('src'), ...settings.map((name) => inRoot(name))])
}

async function ensureTypeScript(rebuild) {
  if (typeScriptIsCurrent() && !rebuild) return
  const started = Date.now()
  if (lacksDevDependencies('typescript')) return
  say('compiling TypeScript')
  const exitCode = await runPackageBin('typescript', 'tsc', ['-p', 'tsconfig.build.json'], {
    stdout: process.stderr,
  })
  if (exitCode !== 0) throw new Stop(['TypeScript found errors; they are above.'])
  mkdirSync(inRoot('dist'), { recursive: true })
  removeOrphans(inRoot('dist'), inRoot('src'))
  if (lacksDevDependencies('vite')) return
  await buildBrowserModule()
  writeFileSync(stamp, '')
  utimesSync(stamp, new Date(started), new Date(started))
}

function pageIsCurrent() {
  return (
    modifiedMs(pageStamp) >= newestMs([inRoot('web'), inRoot('src', 'browser'), inRoot('package-lock.json')])
  )
}

async function ensurePage(rebuild) {
  if (pageIsCurrent() && !rebuild) return
  const started = Date.now()
  if (lacksDevDependencies('vite')) return
  say('building the page')
  const exitCode = await runPackageBin('vite', 'vite', ['build', '--config', 'web/vite.config.mjs'], {
    stdout: process.stderr,
  })
  if (exitCode !== 0) throw new Stop(['The page could not be built: the error is above.'])
  writeFileSync(pageStamp, '')
  utimesSync(pageStamp, new Date(started), new Date(started))
}

/** What the broker serves as `/client.js`: src/browser in one file, as small as it gets. */
async function buildBrowserModule() {
  const { build } = await import('vite')
  await build({
    configFile: false,
    root: inRoot('src', 'browser'),
    logLevel: 'error',
    // The module's own address is asked for when it runs.
    build: {
      target: 'es2022',
      outDir: inRoot('dist', 'browser'),
      emptyOutDir: false,
      minify: true,
      lib: { entry: 'client.ts', formats: ['es'], fileName: () => 'client.min.js' },
    },
  })
}

/** Removes from dist/ what no source makes any more, so that a renamed file cannot live on in a package. */
function removeOrphans(output, source) {
  for (const name of readdirSync(output)) {
    const path = join(output, name)
    if (path === pageDirectory || path === pageStamp) continue
    if (statSync(path).isDirectory()) {
      if (existsSync(join(source, name))) removeOrphans(path, join(source, name))
      else rmSync(path, { recursive: true })
      continue
    }
    const sourceName = name.replace(/(\.d\.ts|\.js)$/, '.ts')
    if (path !== stamp && !existsSync(join(source, sourceName))) rmSync(path)
  }
}

/** `npm install --omit=dev` in a checkout brings no tools; then there is nothing to build with. */
function lacksDevDependencies(packageName) {
  if (existsSync(inRoot('node_modules', packageName))) return false
  say(`nothing is built: ${packageName} is not installed (npm install without --omit=dev brings it)`)
  return true
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(() => {
    const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length)
    if (only !== undefined && !(only in steps))
      throw new Stop([`--only is one of ${Object.keys(steps).join(', ')}.`], 2)
    return ensure({
      ...(only === undefined ? {} : { only: ['dependencies', only] }),
      rebuild: process.argv.includes('--rebuild'),
    })
  })
}
