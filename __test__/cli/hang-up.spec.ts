/** SIGHUP: the users of a running broker are read anew. */
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { UserTable } from '../../src/cli/user-table.js'
import { hashPassword, readUsers } from '../../src/cli/users.js'
import { connect, connectAsync, deriveScramCredentials, type MqttClient } from '../../src/index.js'
import { RunningCommand } from '../support/command.js'
import { ScramClient } from '../support/scram-client.js'
import { temporaryFile } from '../support/temporary.js'
import { shell } from '../support/tool.js'

/** Made with cheap parameters, so that tests do not wait: `secret`. */
const CHEAP = '$scrypt$ln=4,r=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$TuX7jZa5MUSS/Mk7kV8t2bjKDB/7QPPHwrT6zWrpDIM'

async function scramEntry(password: string): Promise<string> {
  const { salt, iterations, storedKey, serverKey } = await deriveScramCredentials(password, {
    iterations: 4096,
  })
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replace(/=+$/, '')
  return `$scram-sha-256$i=${iterations}$${base64(salt)}$${base64(storedKey)}$${base64(serverKey)}`
}

describe.skipIf(process.platform === 'win32')('SIGHUP', { timeout: 60_000 }, () => {
  it('reads the users file anew, and disconnects who may no longer log in', async () => {
    const path = temporaryFile('users.txt', `alice:${CHEAP}\nbob:${CHEAP}\ncarol:${CHEAP}\n`)
    const command = new RunningCommand(['-p', '0'], { TOPICWIRE_USERS_FILE: path })
    const url = `mqtt://127.0.0.1:${await command.port()}`
    const logIn = async (username: string, password = 'secret'): Promise<MqttClient> => {
      const client = await connectAsync(url, { username, password, clientId: username, reconnectPeriod: 0 })
      onTestFinished(() => client.endAsync(true))
      return client
    }
    const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map((name) => logIn(name)))
    const told = [bob, carol].map((client) => once(client as MqttClient, 'disconnect'))
    // Bob is gone, Carol has another password, Dave is new.
    const another = await hashPassword('another', 'scrypt')
    writeFileSync(path, `dave:${CHEAP}\nalice:${CHEAP}\ncarol:${another}\n`)
    command.child.kill('SIGHUP')
    for (const [packet] of await Promise.all(told)) expect(packet).toMatchObject({ reasonCode: 0x87 })
    await command.waitFor(/"msg":"SIGHUP: the users were read anew\."/)
    const line = command.log().find(({ msg }) => `${msg}`.startsWith('SIGHUP'))
    expect(line).toMatchObject({ changedUsers: 2, disconnected: 2 })
    expect(alice?.connected).toBe(true)
    await logIn('dave')
    await logIn('carol', 'another')
    await expect(logIn('bob')).rejects.toMatchObject({ reasonCode: 0x86 })
    await expect(logIn('carol')).rejects.toMatchObject({ reasonCode: 0x86 })
  })

  it('leaves the users as they are where the file has a mistake, and says so', async () => {
    const path = temporaryFile('users.txt', `alice:${CHEAP}\n`)
    const command = new RunningCommand(['-p', '0'], { TOPICWIRE_USERS_FILE: path })
    const port = await command.port()
    writeFileSync(path, 'alice:secret\n')
    command.child.kill('SIGHUP')
    await command.waitFor(/could not be read, and stay as they are/)
    expect(command.error).toMatch(/users\.txt:1: this is not a password hash/)
    const client = connect(`mqtt://127.0.0.1:${port}`, { username: 'alice', password: 'secret' })
    onTestFinished(() => client.endAsync(true))
    await once(client, 'connect')
  })

  it('does nothing where there are no users', async () => {
    const command = new RunningCommand(['-p', '0'])
    await command.port()
    command.child.kill('SIGHUP')
    await command.waitFor(/there are no users to read anew/)
    expect(command.child.exitCode).toBeNull()
  })

  it.skipIf(process.platform !== 'linux')(
    'of a terminal that is closed ends the broker in order',
    async () => {
      // `script` is the terminal; when it is killed, the terminal is gone.
      const log = temporaryFile('log', '')
      const inside = `exec $topicwire -p 0 2> ${log}`
      const tool = shell(`exec script --quiet --command "${inside}" /dev/null`)
      await tool.shows(/mqtt:\/\//)
      tool.child.kill('SIGKILL')
      await expect.poll(() => readFileSync(log, 'utf8'), { timeout: 20_000 }).toMatch(/the terminal is gone/)
    },
  )
})

describe('a table of users', () => {
  const request = (username: string, password: string) =>
    ({ clientId: 'c', username, password: Buffer.from(password) }) as never

  it('that is read anew while a password is checked has the last word', async () => {
    let text = CHEAP
    const another = await scramEntry('another')
    const table = new UserTable(() => readUsers({ alice: text }), false)
    const verdict = table.authenticate(request('alice', 'secret'))
    text = another
    expect([...table.reload()]).toEqual(['alice'])
    expect(await verdict).toBe(false)
    expect(await table.authenticate(request('alice', 'another'))).toBe(true)
    expect([...table.reload()]).toEqual([])
  })

  it('lets nobody in by SCRAM whose entry has changed on the way', async () => {
    const entries = [await scramEntry('one'), await scramEntry('one'), CHEAP]
    let entry = entries[0] as string
    const table = new UserTable(() => readUsers({ alice: entry }), false)
    const start = () => table.scram.start({ method: 'SCRAM-SHA-256', isReAuthentication: false } as never)
    const answer = async (exchange: ReturnType<typeof start>, whileAsked = () => {}) => {
      const client = new ScramClient('alice', 'one')
      const challenge = (await exchange.step(client.first)) as { data?: string }
      whileAsked()
      return exchange.step(client.answer(Buffer.from(challenge.data ?? '')))
    }
    expect(await answer(start())).toMatchObject({ status: 'success' })
    const changed = await answer(start(), () => {
      entry = entries[1] as string
      table.reload()
    })
    expect(changed).toMatchObject({ reasonCode: 0x89 })
    expect(await answer(start())).toMatchObject({ status: 'success' })
    entry = entries[2] as string
    table.reload()
    expect(await start().step(undefined)).toMatchObject({ reasonCode: 0x8c })
  })
})
