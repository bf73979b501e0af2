import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const addon = `topicwire.${process.platform}-${process.arch}-test.node`

/** A checkout in small: the scripts, one crate, dependencies that are there, and a PATH with nothing but Node. */
function checkout(): {
  directory: string
  ensure: (...args: string[]) => { status: number | null; stderr: string }
} {
  const directory = mkdtempSync(join(tmpdir(), 'topicwire-checkout-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  for (const name of [
    'scripts',
    'package.json',
    'package-lock.json',
    'Cargo.toml',
    'Cargo.lock',
    'crates/codec/src',
  ]) {
    cpSync(join(root, name), join(directory, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  symlinkSync(process.execPath, join(bin, 'node'))
  const env = { PATH: bin, HOME: directory }
  return {
    directory,
    ensure: (...args) =>
      spawnSync(process.execPath, [join(directory, 'scripts/ensure.mjs'), ...args], {
        encoding: 'utf8',
        env,
      }),
  }
}

it('says in one block what is missing without cargo', () => {
  const { ensure } = checkout()
  const { status, stderr } = ensure('--only=native')
  expect(status).toBe(1)
  expect(stderr).toContain('no prebuilt binary for')
  expect(stderr).toMatch(
    /Needed : Rust >= [\d.]+ \(cargo\) {3}Found: no cargo on PATH\n {2}Fix {4}: https:\/\/rustup\.rs/,
  )
  expect(stderr).not.toContain('    at ')
})

it('builds nothing when the addon is newer than the crates, and tries to when a crate is newer', () => {
  const { directory, ensure } = checkout()
  for (const name of ['index.js', 'index.d.ts', addon]) writeFileSync(join(directory, name), '')
  const tomorrow = new Date(Date.now() + 86_400_000)
  utimesSync(join(directory, addon), tomorrow, tomorrow)
  expect(ensure('--only=native')).toMatchObject({ status: 0, stderr: '' })

  const later = new Date(tomorrow.getTime() + 1_000)
  utimesSync(join(directory, 'crates/codec/src/lib.rs'), later, later)
  const { status, stderr } = ensure('--only=native')
  expect(status).toBe(1)
  expect(stderr).toContain('is older than its sources')
})

it('refuses a part that it does not know', () => {
  const { ensure } = checkout()
  expect(ensure('--only=everything')).toMatchObject({ status: 2 })
})

it('builds the page when it is missing or older than its sources', () => {
  const { directory, ensure } = checkout()
  for (const name of ['web', 'src', 'tsconfig.json']) {
    cpSync(join(root, name), join(directory, name), { recursive: true })
  }
  expect(ensure('--only=page')).toMatchObject({ status: 0, stderr: '[topicwire] building the page\n' })
  const html = readFileSync(join(directory, 'dist/page/index.html'), 'utf8')
  for (const [, name] of html.matchAll(/\/page\/([\w.-]+)/g)) {
    expect(existsSync(join(directory, 'dist/page', String(name)))).toBe(true)
  }
  expect(ensure('--only=page')).toMatchObject({ status: 0, stderr: '' })
  const later = new Date(Date.now() + 86_400_000)
  utimesSync(join(directory, 'web/src/style/base.css'), later, later)
  expect(ensure('--only=page').stderr).toContain('building the page')
})
