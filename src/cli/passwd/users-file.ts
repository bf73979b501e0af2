/**
 * A users file as `topicwire passwd` changes it: line by line, so that comments and the order stay, and replaced as a
 * whole, so that a broker that reads it meanwhile, or a power cut, finds the old file or the new one.
 */
import { randomBytes } from 'node:crypto'
import { type FileHandle, open, readFile, realpath, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MqttError } from '../../errors.js'
import { EXIT_FAILURE, Exit } from '../lib/exit.js'
import { reasonOf } from '../yaml-file.js'

/** A line with a user; what stands behind the colon need not be a hash. */
export interface Entry {
  readonly name: string
  readonly secret: string
}

export class UsersFile {
  readonly #path: string
  /** The file as it was read; undefined for one that is to be created. */
  readonly #before: string | undefined
  readonly #lines: string[]

  private constructor(path: string, before: string | undefined) {
    this.#path = path
    this.#before = before
    this.#lines = before === undefined || before === '' ? [] : before.replace(/\r?\n$/, '').split(/\r?\n/)
  }

  /** @throws MqttError ERR_MQTT_INVALID_CONFIG where there is such a file already. */
  static async create(path: string): Promise<UsersFile> {
    if ((await readIfThere(path)) !== undefined)
      throw invalid(`${path} is there already. Leave -c out to add to it, or remove it first.`)
    return new UsersFile(path, undefined)
  }

  /** @throws MqttError ERR_MQTT_INVALID_CONFIG for a file that is not there, or that is no users file. */
  static async open(path: string): Promise<UsersFile> {
    const text = await readIfThere(path)
    if (text === undefined) throw invalid(`There is no file ${path}. -c creates it.`)
    const file = new UsersFile(path, text)
    for (const [index, line] of file.#lines.entries()) {
      if (line.trim() !== '' && !line.startsWith('#') && entryOf(line) === undefined)
        throw invalid(`${path}:${index + 1}: a line is a user name, a colon and a password hash.`)
    }
    return file
  }

  /** In the order of the file; of two lines with one name the last one counts, for the broker too. */
  entries(): Entry[] {
    const entries = this.#lines.map(entryOf).filter((entry) => entry !== undefined)
    return [...new Map(entries.map((entry) => [entry.name, entry])).values()]
  }

  has(name: string): boolean {
    return this.entries().some((entry) => entry.name === name)
  }

  /** Adds a user, or changes the hash of one that is there. */
  set(name: string, hash: string): void {
    const line = `${name}:${hash}`
    const at = this.#lines.findIndex((one) => entryOf(one)?.name === name)
    if (at === -1) this.#lines.push(line)
    else {
      this.delete(name)
      this.#lines.splice(at, 0, line)
    }
  }

  delete(name: string): void {
    const kept = this.#lines.filter((line) => entryOf(line)?.name !== name)
    this.#lines.splice(0, this.#lines.length, ...kept)
  }

  /**
   * Replaces the file. A new one belongs to whoever runs this and nobody else may read it; an old one keeps its owner
   * and what its group may do, but loses what everybody may.
   *
   * @throws Exit when it cannot be written, or somebody else has changed it since it was read.
   */
  async save(): Promise<void> {
    const path = await realpath(this.#path).catch(() => this.#path)
    const temporary = join(dirname(path), `.topicwire-passwd-${randomBytes(6).toString('hex')}`)
    try {
      const file = await open(temporary, 'wx', 0o600)
      try {
        await writeAll(file, path, this.#lines.map((line) => `${line}\n`).join(''))
      } finally {
        await file.close()
      }
      if ((await readIfThere(path)) !== this.#before)
        throw new Exit(
          EXIT_FAILURE,
          `${this.#path} was changed by somebody else meanwhile. Nothing was written.`,
        )
      await rename(temporary, path)
    } catch (error) {
      await unlink(temporary).catch(() => undefined)
      if (error instanceof Exit) throw error
      throw new Exit(EXIT_FAILURE, `${this.#path} cannot be written: ${reasonOf(error)}.`)
    }
    await syncDirectory(dirname(path))
  }
}

/** What is wrong with a name, or undefined. */
export function problemWithName(name: string): string | undefined {
  if (name === '') return 'A user name cannot be empty.'
  if (name.includes(':')) return 'A user name in a file cannot have a colon: it ends the name.'
  if (name.startsWith('#')) return 'A user name in a file cannot begin with #: such lines are comments.'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'A user name cannot have control characters.'
  if (name.trim() !== name) return 'A user name in a file cannot begin or end with a space.'
  if (Buffer.byteLength(name) > 65_535) return 'A user name has at most 65535 bytes.'
  return undefined
}

function entryOf(line: string): Entry | undefined {
  const colon = line.indexOf(':')
  if (colon < 1 || line.startsWith('#')) return undefined
  return { name: line.slice(0, colon), secret: line.slice(colon + 1).trim() }
}

async function writeAll(file: FileHandle, replaced: string, text: string): Promise<void> {
  const old = await stat(replaced).catch(() => undefined)
  if (old !== undefined) {
    await file.chown(old.uid, old.gid).catch(() => undefined)
    await file.chmod((old.mode & 0o770) | 0o600)
  }
  await file.writeFile(text)
  await file.sync()
}

/** Without this the new name may not survive a power cut. Some systems cannot do it, and need not. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path).catch(() => undefined)
  await directory?.sync().catch(() => undefined)
  await directory?.close()
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw invalid(`The users file ${path} cannot be read: ${reasonOf(error)}.`, error)
  }
}

function invalid(message: string, cause?: unknown): MqttError {
  return new MqttError('ERR_MQTT_INVALID_CONFIG', message, { cause })
}
