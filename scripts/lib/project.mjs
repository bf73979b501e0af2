/**
 * What the scripts share: where things are, running a program, and how old files are. Node's own modules only,
 * because these scripts run before anything is installed.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's root, with a trailing separator. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

/** A path below the root. */
export function inRoot(...parts) {
  return join(root, ...parts)
}

/** A line for the person who started the script; standard output belongs to what the script runs. */
export function say(line) {
  process.stderr.write(`[topicwire] ${line}\n`)
}

/** Ends the script with a block of lines and no stack trace. */
export class Stop extends Error {
  constructor(lines, exitCode = 1) {
    super(lines.join('\n'))
    this.exitCode = exitCode
  }
}

/** Runs a script's main function: a `Stop` is printed as it is, and the exit code is what it returns. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    process.stderr.write(`[topicwire] ${error.message}\n`)
    process.exitCode = error.exitCode
  }
}

/**
 * Runs a program in the root and resolves with its exit code (127 when there is no such program). Its output goes
 * where ours goes unless `onOutput` is given, which then gets a copy.
 */
export function run(command, args, { env = {}, onOutput, stdout = 'inherit', shell = false } = {}) {
  return new Promise((resolve) => {
    const piped = onOutput !== undefined
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, PATH: searchPath(), ...env },
      stdio: ['ignore', piped ? 'pipe' : stdout, piped ? 'pipe' : 'inherit'],
      shell,
    })
    child.stdout?.on('data', (chunk) => {
      process.stdout.write(chunk)
      onOutput(chunk)
    })
    child.stderr?.on('data', (chunk) => {
      process.stderr.write(chunk)
      onOutput(chunk)
    })
    child.on('error', () => resolve(127))
    child.on('close', (code) => resolve(code ?? 1))
  })
}

/** What a program prints when it succeeds; undefined when it fails or does not exist. */
export async function capture(command, args) {
  let output = ''
  const exitCode = await new Promise((resolve) => {
    const env = { ...process.env, PATH: searchPath() }
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'ignore'] })
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.on('error', () => resolve(127))
    child.on('close', (code) => resolve(code ?? 1))
  })
  return exitCode === 0 ? output : undefined
}

/** What a program writes to standard error when it succeeds, with `env` as all of its environment; undefined when it fails. */
export async function captureError(command, args, env) {
  let output = ''
  const exitCode = await new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr.on('data', (chunk) => {
      output += chunk
    })
    child.on('error', () => resolve(127))
    child.on('close', (code) => resolve(code ?? 1))
  })
  return exitCode === 0 ? output : undefined
}

/** Runs the JavaScript of a program that a package brings, without a shell. */
export function runPackageBin(packageName, binName, args, options) {
  const manifest = JSON.parse(readFileSync(inRoot('node_modules', packageName, 'package.json'), 'utf8'))
  const bin = typeof manifest.bin === 'string' ? manifest.bin : manifest.bin[binName]
  return run(process.execPath, [inRoot('node_modules', packageName, bin), ...args], options)
}

/** Runs npm: the one that runs us, if any. */
export function runNpm(args, options) {
  const npm = process.env.npm_execpath
  if (npm?.endsWith('.js')) return run(process.execPath, [npm, ...args], options)
  return run('npm', args, { ...options, shell: process.platform === 'win32' })
}

/** The PATH with rustup's own directory at its end: a shell that was open during the installation lacks it. */
export function searchPath() {
  return [process.env.PATH ?? '', join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'bin')].join(
    delimiter,
  )
}

/** When a file or directory was last changed, in milliseconds; 0 when it does not exist. */
export function modifiedMs(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

/**
 * The newest change below some paths, in milliseconds. Directories count, so that a file that is gone is noticed.
 * `skip` names entries that do not matter.
 */
export function newestMs(paths, skip = []) {
  let newest = 0
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat === undefined) continue
    newest = Math.max(newest, stat.mtimeMs)
    if (!stat.isDirectory()) continue
    const names = readdirSync(path).filter((name) => !skip.includes(name))
    newest = Math.max(
      newest,
      newestMs(
        names.map((name) => join(path, name)),
        skip,
      ),
    )
  }
  return newest
}

/** Whether `found` (such as `1.88.0`) is at least `wanted` (such as `1.88`). */
export function isAtLeast(found, wanted) {
  const have = found.split('.').map(Number)
  for (const [index, part] of wanted.split('.').map(Number).entries()) {
    const difference = (have[index] ?? 0) - part
    if (difference !== 0) return difference > 0
  }
  return true
}
