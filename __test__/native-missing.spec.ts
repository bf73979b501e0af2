import { describe, expect, it } from 'vitest'
import { explainMissingAddon, isLoaderError } from '../src/native-missing.js'

const installed = { platform: 'linux', arch: 'x64', isCheckout: false }

/** An error as the generated loader throws it, with what it tried as a chain of causes. */
function loaderError(...tried: [message: string, code?: string][]): Error {
  const cause = tried.reduceRight<Error | undefined>(
    (cause, [message, code]) =>
      Object.assign(new Error(message, { cause }), code === undefined ? {} : { code }),
    undefined,
  )
  return new Error('Cannot find native binding. npm has a bug …', { cause })
}

const notFound: [string, string] = ["Cannot find module './topicwire.linux-x64-gnu.node'", 'MODULE_NOT_FOUND']

describe('a missing addon', () => {
  it('that npm did not install is answered with commands', () => {
    const error = explainMissingAddon(loaderError(notFound, notFound), installed)
    expect(error.code).toBe('ERR_MQTT_NATIVE_MISSING')
    expect(error.message).toMatch(/topicwire-linux-x64 is not installed[\s\S]*npm install --include=optional/)
  })

  it('in a checkout has not been built', () => {
    const { message } = explainMissingAddon(loaderError(notFound), { ...installed, isCheckout: true })
    expect(message).toContain('npm run build')
    expect(message).not.toContain('--include=optional')
  })

  it('that is there and cannot be loaded is answered with what the system says', () => {
    const broken: [string, string] = [
      'ld-linux-x86-64.so.2: cannot open shared object file\nmore',
      'ERR_DLOPEN_FAILED',
    ]
    const { message } = explainMissingAddon(loaderError(notFound, broken), { ...installed, isCheckout: true })
    expect(message).toContain('ld-linux-x86-64.so.2: cannot open shared object file')
    expect(message).toContain('another C library')
    expect(message).not.toContain('npm run build')
  })

  it('that is there and cannot be loaded is recognised without a code too, which the loader leaves out', () => {
    const tried: [string][] = [
      ["Cannot find module './topicwire.wasi.cjs'"],
      ['topicwire.node: file too short'],
    ]
    const { message } = explainMissingAddon(loaderError(...tried), { ...installed, isCheckout: true })
    expect(message).toContain('the system says: topicwire.node: file too short')
    expect(message).not.toContain('npm run build')
  })

  it('on a platform that has none says so', () => {
    const { message } = explainMissingAddon(loaderError(['Unsupported OS: aix, architecture: ppc64']), {
      ...installed,
      platform: 'aix',
      arch: 'ppc64',
    })
    expect(message).toContain('There is no prebuilt addon')
  })

  it('keeps the loader’s error as its cause', () => {
    const error = loaderError(notFound)
    expect(explainMissingAddon(error, installed).cause).toBe(error)
  })
})

it('only the loader’s errors are explained', () => {
  expect(isLoaderError(loaderError(notFound))).toBe(true)
  expect(isLoaderError(new Error('something else'))).toBe(false)
})
