/** Programs whose resolver is told something of a test's own, whatever `/etc` of this machine says. */
import { spawnSync } from 'node:child_process'
import type { TestContext } from 'vitest'
import { unmet } from './peers.js'
import { temporaryFile } from './temporary.js'

type Skip = Pick<TestContext, 'skip'>
/** The beginning of a command: the program and what follows belong behind it. */
type Prefix = readonly string[]

/**
 * A command that has these lines as its hosts file. Where nothing gives it that, the test is skipped with its reason, in CI
 * it fails.
 */
export function withHosts(lines: readonly string[], context: Skip): Prefix {
  const path = temporaryFile('hosts', `${lines.join('\n')}\n`)
  // Containers often forbid the first: there a library reads the file in place of libc.
  const library = ['env', 'LD_PRELOAD=libnss_wrapper.so', `NSS_WRAPPER_HOSTS=${path}`]
  const reason =
    'no hosts file for one program: namespaces are forbidden, and the package libnss-wrapper is missing'
  return seeing('/etc/hosts', path) ?? (isPreloaded(library) ? library : unmet(reason, context))
}

/** A command that asks the name server at this address, and no other. */
export function withNameServer(address: string, context: Skip): Prefix {
  const path = temporaryFile('resolv.conf', `nameserver ${address}\n`)
  return (
    seeing('/etc/resolv.conf', path) ??
    context.skip('no name server for one program: namespaces are forbidden')
  )
}

/** The kernel shows a program one file in place of another, to root or in a user namespace; undefined where it does not. */
function seeing(target: string, path: string): Prefix | undefined {
  const bind = ['sh', '-c', `mount --bind "$0" ${target} && exec "$@"`, path]
  return [
    ['unshare', '--mount', ...bind],
    ['unshare', '--map-root-user', '--mount', ...bind],
  ].find(([program = '', ...args]) => spawnSync(program, [...args, 'true']).status === 0)
}

/** The loader only warns of a library that it does not find. */
function isPreloaded([program = '', ...args]: Prefix): boolean {
  const { status, stderr } = spawnSync(program, [...args, 'true'], { encoding: 'utf8' })
  return status === 0 && stderr === ''
}
