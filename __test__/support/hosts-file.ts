/** Programs whose resolver reads a hosts file of a test's own, whatever `/etc/hosts` of this machine says. */
import { spawnSync } from 'node:child_process'
import type { TestContext } from 'vitest'
import { unmet } from './peers.js'
import { temporaryFile } from './temporary.js'

const BIND = 'mount --bind "$0" /etc/hosts && exec "$@"'

/**
 * The kernel shows the program another `/etc/hosts`, to root or in a user namespace. Containers often forbid both: there a
 * library reads the file in place of libc.
 */
const ways: readonly ((path: string) => readonly string[])[] = [
  (path) => ['unshare', '--mount', 'sh', '-c', BIND, path],
  (path) => ['unshare', '--map-root-user', '--mount', 'sh', '-c', BIND, path],
  (path) => ['env', 'LD_PRELOAD=libnss_wrapper.so', `NSS_WRAPPER_HOSTS=${path}`],
]

/**
 * The beginning of a command that sees these lines as its hosts file: the program and what follows belong behind it.
 * Where nothing helps the test is skipped with its reason, in CI it fails.
 */
export function withHosts(lines: readonly string[], context: Pick<TestContext, 'skip'>): readonly string[] {
  // A name that no machine has shows that it is this file that is read.
  const probe = 'topicwire-hosts-file.test'
  const path = temporaryFile('hosts', `${[...lines, `127.0.0.1 ${probe}`].join('\n')}\n`)
  const prefix = ways
    .map((way) => way(path))
    .find(([program = '', ...args]) => spawnSync(program, [...args, 'getent', 'hosts', probe]).status === 0)
  return (
    prefix ??
    unmet(
      'no other /etc/hosts for one program: namespaces are forbidden, and the package libnss-wrapper is missing',
      context,
    )
  )
}
