/** `topicwire passwd`: the users of a file, with the letters of mosquitto_passwd. */
import { Command, Option } from 'commander'
import { wrongUsage } from '../lib/exit.js'
import type { Io } from '../lib/io.js'
import { readSecret, type SecretSource } from '../lib/secret.js'
import { HASH_KINDS, type HashKind, hashPassword, parsePasswordHash } from '../passwords/password-hash.js'
import { problemWithName, UsersFile } from './users-file.js'

interface Flags {
  readonly create?: boolean
  readonly batch?: boolean
  readonly delete?: boolean
  readonly list?: boolean
  readonly update?: boolean
  readonly hash: HashKind
}

/** Where passwords come from: standard input, or a stand-in. */
export interface Inputs {
  readonly source: SecretSource
}

const EXAMPLES = `
Examples:
  topicwire passwd -c users.txt alice           a new file with alice in it; asks for her password
  topicwire passwd users.txt bob                adds bob, or changes his password
  echo "$SECRET" | topicwire passwd users.txt bob
  topicwire passwd -b users.txt bob hunter2     the password on the command line, where others may see it
  topicwire passwd -D users.txt bob             deletes bob
  topicwire passwd -l users.txt                 lists the names, and how each password is stored
  topicwire passwd -U users.txt                 replaces passwords in the clear by their hashes

A broker uses the file with "usersFile: users.txt" in its configuration, or TOPICWIRE_USERS_FILE=users.txt; it
reads it when it starts. Files of mosquitto_passwd ($6$ and $7$) can be used and changed as they are.

Exit codes: 0 done, 1 the file could not be written, 2 wrong usage or no such file or user.`

/** The command, for the frame in src/cli/commands.ts. */
export function passwdCommand(io: Io, inputs: Inputs = { source: process.stdin }): Command {
  return new Command('passwd')
    .description('Creates and changes files of users and their password hashes.')
    .argument('<file>', 'the users file')
    .argument('[user]', 'the name of a user')
    .argument('[password]', 'with -b: the password')
    .option('-c, --create', 'create the file; it is an error if it is there')
    .option('-b, --batch', 'take the password from the command line')
    .option('-D, --delete', 'delete the user')
    .option('-l, --list', 'list the users')
    .option('-U, --update', 'hash the passwords that stand in the file in the clear')
    .addOption(
      new Option(
        '-H, --hash <kind>',
        'how to store the password (scram-sha-256 lets clients prove it without sending it)',
      )
        .choices(HASH_KINDS)
        .default('argon2id'),
    )
    .addHelpText('after', EXAMPLES)
    .action((file: string, user: string | undefined, password: string | undefined, flags: Flags) =>
      run({ file, user, password, flags }, io, inputs),
    )
}

interface Request {
  readonly file: string
  readonly user: string | undefined
  readonly password: string | undefined
  readonly flags: Flags
}

async function run(request: Request, io: Io, inputs: Inputs): Promise<void> {
  const { file, user, flags } = request
  checkUsage(request)
  if (flags.list) return list(await UsersFile.open(file), io)
  if (flags.update) return update(await UsersFile.open(file), file, flags.hash, io)
  const name = user ?? ''
  if (flags.delete) return remove(await UsersFile.open(file), file, name, io)
  const users = flags.create ? await UsersFile.create(file) : await UsersFile.open(file)
  const isKnown = users.has(name)
  const password = request.password ?? (await askTwice(name, io, inputs))
  users.set(name, await hashed(password, flags.hash))
  await users.save()
  io.out(isKnown ? `The password of ${name} was changed.\n` : `${name} was added to ${file}.\n`)
}

/** What commander cannot see: flags and arguments that do not go together. */
function checkUsage({ user, password, flags }: Request): void {
  const modes = [flags.create && '-c', flags.delete && '-D', flags.list && '-l', flags.update && '-U'].filter(
    (mode) => typeof mode === 'string',
  )
  if (modes.length > 1) throw wrongUsage(`${modes.join(' and ')} cannot be used together.`)
  if (flags.list || flags.update) {
    if (user !== undefined) throw wrongUsage(`${modes[0]} is about the whole file: leave the user name out.`)
    return
  }
  if (user === undefined) throw wrongUsage('Which user? Give a name after the file.')
  const problem = flags.delete ? undefined : problemWithName(user)
  if (problem !== undefined) throw wrongUsage(problem)
  if (flags.delete && flags.batch) throw wrongUsage('-D and -b cannot be used together.')
  if (flags.batch && (password ?? '') === '') throw wrongUsage('-b needs the password after the user name.')
  if (!flags.batch && password !== undefined)
    throw wrongUsage('A password on the command line needs -b; without it you are asked for it.')
}

function list(users: UsersFile, io: Io): void {
  for (const { name, secret } of users.entries()) {
    const kind = parsePasswordHash(secret)?.kind ?? 'not a hash: -U makes one'
    io.out(`${name}\t${kind}\n`)
  }
}

async function remove(users: UsersFile, file: string, name: string, io: Io): Promise<void> {
  if (!users.has(name)) throw wrongUsage(`There is no user ${name} in ${file}.`)
  users.delete(name)
  await users.save()
  io.out(`${name} was deleted from ${file}.\n`)
}

/** A `$` in front says hash to people and to Mosquitto; one that we do not know is not hashed as if it were a password. */
async function update(users: UsersFile, file: string, kind: HashKind, io: Io): Promise<void> {
  const plain = users.entries().filter(({ secret }) => parsePasswordHash(secret) === undefined)
  const unknown = plain.find(({ secret }) => secret.startsWith('$'))
  if (unknown !== undefined)
    throw wrongUsage(`${unknown.name} has a hash of a kind that is not known here. Nothing was changed.`)
  for (const { name, secret } of plain) users.set(name, await hashed(secret, kind))
  if (plain.length > 0) await users.save()
  io.out(`${plain.length} ${plain.length === 1 ? 'password was' : 'passwords were'} hashed in ${file}.\n`)
}

async function askTwice(name: string, io: Io, { source }: Inputs): Promise<string> {
  const password = await readSecret(`Password of ${name}: `, io, source)
  if (source.isTTY !== true) return password
  const again = await readSecret('The same again: ', io, source)
  if (again !== password) throw wrongUsage('The two passwords are not the same. Nothing was changed.')
  return password
}

async function hashed(password: string, kind: HashKind): Promise<string> {
  try {
    return await hashPassword(password, kind)
  } catch (error) {
    if (error instanceof TypeError)
      throw wrongUsage(
        'SCRAM does not allow this password: it has characters that SASLprep forbids, or none.',
      )
    throw error
  }
}
