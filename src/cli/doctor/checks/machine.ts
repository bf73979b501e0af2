/** This machine: open files, the native addon, who has the port. */
import { explainMissingAddon, isLoaderError } from '../../../native-missing.js'
import { type Check, fail, ok, skip, warn } from '../check.js'
import { listenersAt, type OpenFiles, openFiles, tryPort } from '../probes/machine.js'

/** Enough for a small broker; a few hundred connections need more than some systems give. */
const FEW_FILES = 1_024
/** Of the limit: what is close to the end. */
const NEARLY_ALL = 0.9

export const openFilesCheck: Check = {
  code: 'open-files',
  async run(context) {
    const own = openFiles('self')
    if (own === undefined) return skip('this system does not tell the limit')
    const isHere = await context.isHere()
    const servers = isHere ? listenersAt(context.options.port) : []
    for (const { pid, name = 'the server' } of servers) {
      const files = pid === undefined ? undefined : openFiles(pid)
      if (files?.used === undefined) continue
      const use = `${name} (process ${pid}) has ${files.used} of ${files.limit} files open`
      if (files.used >= files.limit * NEARLY_ALL) return fail(`${use}: it is about to refuse connections`)
      if (files.limit < FEW_FILES) return warn(`${use}, which is few: each connection is one`)
      return ok(use)
    }
    return own.limit < FEW_FILES
      ? warn(`what is started here may open ${own.limit} files, which is few: each connection is one`)
      : ok(`what is started here may open ${limitOf(own)} files`)
  },
}

function limitOf({ limit }: OpenFiles): string {
  return limit === Number.POSITIVE_INFINITY ? 'any number of' : String(limit)
}

export const nativeAddon: Check = {
  code: 'native-addon',
  async run() {
    try {
      const { reasonCodeName } = await import('../../../native.js')
      return reasonCodeName(0x87) === 'Not authorized'
        ? ok(`it is loaded (${process.platform}-${process.arch}, Node.js ${process.versions.node})`)
        : fail('it is loaded, and is of another version than this program')
    } catch (error) {
      if (!isLoaderError(error)) {
        // A module that is there and lacks an export is an old one.
        return fail(`it cannot be used: ${(error as Error).message.split('\n', 1)[0]}`)
      }
      const [what, ...advice] = explainMissingAddon(error).message.split('\n')
      const asked = process.env.NAPI_RS_NATIVE_LIBRARY_PATH
      const path =
        asked === undefined ? '' : ' (NAPI_RS_NATIVE_LIBRARY_PATH names another file than the one installed)'
      return fail(
        `${what?.replace(/\.$/, '')}${path}`,
        advice.map((line) => line.trim()).join(' ') || undefined,
      )
    }
  },
}

export const portOwner: Check = {
  code: 'port',
  async run(context) {
    const { port, host } = context.options
    const isHere = await context.isHere()
    if (isHere === undefined) return skip('the name of the host is unknown')
    if (!isHere) return skip('the server is on another machine; run this there')
    // Where somebody answers nothing is tried: some systems would let two have the port.
    const isAnswered = (await context.door()) !== undefined
    const state = isAnswered ? 'EADDRINUSE' : await tryPort(host, port)
    if (state === 'free') return ok(`port ${port} is free for a broker`)
    if (state === 'EACCES') {
      return warn(
        `this user may not listen on port ${port}`,
        'Choose a port from 1024 up (-p), or give the right to it.',
      )
    }
    if (state !== 'EADDRINUSE') return skip(`port ${port} cannot be tried (${state})`)
    const owners = listenersAt(port)
    const names = owners.map(({ pid, name }) =>
      pid === undefined ? 'a process of another user' : `${name} (process ${pid})`,
    )
    const who = names.length === 0 ? 'another process' : names.join(' and ')
    const isKnown = (await context.found()).length > 0 || 'session' in (await context.attempt())
    if (isKnown) {
      // Workers of one server share its socket.
      return new Set(owners.map(({ name }) => name)).size > 1
        ? warn(
            `port ${port} is shared by ${who}: which of them answers depends on the address`,
            'Stop one of them, or give it another port.',
          )
        : ok(`port ${port} belongs to ${who}`)
    }
    return fail(`port ${port} is taken by ${who}, which does not answer as a broker`)
  },
}
