import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer } from 'node:net'
import { join } from 'node:path'
import { connectAsync, connect as createMqttClient, type IClientOptions, type MqttClient } from 'mqtt'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { hashPassword } from '../../src/cli/users.js'
import { makeCertificate } from '../support/certificates.js'
import { RunningCommand, runCommand } from '../support/command.js'
import { freePort } from '../support/free-port.js'
import { temporaryDirectory, temporaryFile } from '../support/temporary.js'

// Each test starts processes, which on a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000 })

/** Resolves when a broker has taken a client there. */
async function answered(port: number): Promise<void> {
  const client = createMqttClient(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 50 })
  onTestFinished(() => void client.end(true))
  // The first attempts come too early.
  client.on('error', () => {})
  await new Promise<void>((resolve) => client.once('connect', () => resolve()))
  await client.endAsync()
}

describe('what ends by itself', () => {
  it('--version prints the version of the package', async () => {
    const { exitCode, out } = await runCommand(['--version'])
    expect(exitCode).toBe(0)
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it('--help succeeds', async () => {
    const { exitCode, out } = await runCommand(['--help'])
    expect(exitCode).toBe(0)
    expect(out).toContain('Usage: topicwire')
  })

  it('--test-config says that a configuration is valid, and starts nothing', async () => {
    const path = temporaryFile('a.yaml', 'port: 1\n')
    expect(await runCommand(['-c', path, '--test-config'])).toEqual({
      exitCode: 0,
      out: 'The configuration is valid.\n',
      error: '',
    })
  })
})

describe('the first word', () => {
  it('start is what happens without a word', async () => {
    expect(await runCommand(['start', '--version'])).toEqual(await runCommand(['--version']))
  })

  it.each([[['help']], [['help', 'start']], [['start', '--help']], [['help', 'help']]])(
    '%j prints the help of the broker, which lists the commands',
    async (args) => {
      const { exitCode, out } = await runCommand(args)
      expect(exitCode).toBe(0)
      expect(out).toContain('\nCommands:\n  start ')
    },
  )

  it.each([
    ['strat', "topicwire: there is no command 'strat'. Did you mean start?"],
    ['hepl', "topicwire: there is no command 'hepl'. Did you mean help?"],
    ['x.yaml', "topicwire: there is no command 'x.yaml'.\n"],
  ])('%s ends with 2 and the nearest word', async (word, expected) => {
    const { exitCode, out, error } = await runCommand([word])
    expect(error).toContain(expected)
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' })
  })
})

describe('wrong usage and configuration end with 2', () => {
  it.each([
    ['an unknown flag', ['--prot', '1'], {}, 'Did you mean --port?'],
    ['an unknown variable', [], { TOPICWIRE_HOTS: 'x' }, 'Did you mean TOPICWIRE_HOST?'],
    ['a file that is not there', ['-c', '/nowhere.yaml'], {}, 'there is no such file'],
    ['a certificate that is not there', ['--tls-cert', '/no', '--tls-key', '/no'], {}, '/no cannot be read'],
  ])('%s', async (_, args, environment, expected) => {
    const { exitCode, out, error } = await runCommand(args, environment)
    expect(error).toContain(expected)
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' })
  })

  it('an unknown key is answered with its line and the nearest known key', async () => {
    const path = temporaryFile('a.yaml', 'port: 0\nlimits:\n  recieveMaximum: 5\n')
    const { exitCode, error } = await runCommand(['-c', path, '--test-config'])
    expect(exitCode).toBe(2)
    expect(error).toBe(
      `topicwire: ${path}:3:3: limits.recieveMaximum is not a known option. Did you mean limits.receiveMaximum?\n`,
    )
  })

  it('an open address without log-in is refused in one sentence', async () => {
    const { exitCode, error } = await runCommand(['-p', '0', '--memory', '--host', '0.0.0.0'])
    expect(exitCode).toBe(2)
    expect(error).toMatch(/^topicwire: 0\.0\.0\.0 can be reached from other machines.*--allow-anonymous\.\n$/)
  })
})

describe('a port that cannot be had ends with 1', () => {
  it('a taken port is one sentence that names the port and -p', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const { exitCode, out, error } = await runCommand(['-p', `${port}`, '--memory'])
    expect({ exitCode, out }).toEqual({ exitCode: 1, out: '' })
    expect(error).toMatch(new RegExp(`^topicwire: Port ${port} is taken[^\\n]* -p\\.\\n$`))
  })

  it('an address of another machine is one sentence', async () => {
    const { exitCode, error } = await runCommand([
      '-p',
      '0',
      '--memory',
      '--host',
      '192.0.2.1',
      '--allow-anonymous',
    ])
    expect(exitCode).toBe(1)
    expect(error).toBe('topicwire: 192.0.2.1 is not an address of this machine.\n')
  })
})

describe('a broker that runs', () => {
  it('prints its URLs, one a line, where its data is, and nothing else on standard output', async () => {
    const command = new RunningCommand(['-p', '0', '--memory'])
    const port = await command.port()
    command.child.kill('SIGTERM')
    const { out } = await command.ended
    expect(out.split('\n').slice(1)).toEqual([
      `mqtt://127.0.0.1:${port}`,
      `http://127.0.0.1:${port}/`,
      `ws://127.0.0.1:${port}/mqtt`,
      `ws://127.0.0.1:${port}/topics/<topic>`,
      `ws://127.0.0.1:${port}/echo`,
      'data: in memory, which ends with the process',
      '',
    ])
  })

  it('adds the encrypted URLs when it has a certificate', async () => {
    const { cert, key } = await makeCertificate()
    const directory = temporaryDirectory({ 'c.pem': cert, 'k.pem': key })
    const command = new RunningCommand([
      ...[
        '-p',
        '0',
        '--memory',
        '--tls-cert',
        join(directory, 'c.pem'),
        '--tls-key',
        join(directory, 'k.pem'),
      ],
    ])
    const port = await command.port()
    await command.waitFor(/^data: .*\n$/m)
    expect(command.out).toContain(`mqtts://localhost:${port}\n`)
    expect(command.out).toContain(`wss://localhost:${port}/mqtt\n`)
  })

  it.each(['SIGTERM', 'SIGINT'] as const)('%s ends it in order, with 0', async (signal) => {
    const command = new RunningCommand(['-p', '0', '--memory'])
    await command.port()
    command.child.kill(signal)
    expect((await command.ended).exitCode).toBe(0)
    expect(command.log().map(({ msg }) => msg)).toEqual([
      `Closing: ${signal} was received; a second one ends at once.`,
    ])
  })

  it('takes flags over the environment over the file', async () => {
    const path = temporaryFile('a.yaml', 'port: 1\nhost: 192.0.2.1\n')
    const command = new RunningCommand(['-c', path, '-p', '0', '--memory'], {
      TOPICWIRE_HOST: '127.0.0.1',
      TOPICWIRE_PORT: '2',
    })
    expect(await command.port()).toBeGreaterThan(2)
  })

  it('--quiet prints nothing', async () => {
    const port = await freePort()
    const command = new RunningCommand(['-p', `${port}`, '--memory', '--quiet'])
    // It says nothing, so it is asked whether it is up.
    await answered(port)
    command.child.kill('SIGTERM')
    expect(await command.ended).toEqual({ exitCode: 0, out: '', error: '' })
  })
})

describe('a broker with clients', () => {
  /** Connects MQTT.js; it is closed when the test is over. */
  async function connect(port: number, options: IClientOptions = {}): Promise<MqttClient> {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
      reconnectPeriod: 0,
      protocolVersion: 5,
      ...options,
    })
    onTestFinished(() => void client.end(true))
    return client
  }

  it('logs one line for each that comes and goes: id, peer, protocol, reason', async () => {
    const command = new RunningCommand(['-p', '0', '--memory'])
    const client = await connect(await command.port(), { clientId: 'sensor-1' })
    await client.endAsync()
    await command.waitFor(/disconnected/)
    const peer = expect.stringMatching(/^127\.0\.0\.1:\d+$/)
    expect(command.log()).toEqual([
      expect.objectContaining({
        level: 'info',
        msg: 'Client connected.',
        clientId: 'sensor-1',
        peer,
        protocol: 'mqtt',
        version: '5.0',
      }),
      expect.objectContaining({
        msg: 'Client disconnected.',
        clientId: 'sensor-1',
        peer,
        reason: 'Normal disconnection',
      }),
    ])
  })

  it('tells 5.0 clients that it is shutting down', async () => {
    const command = new RunningCommand(['-p', '0', '--memory'])
    const client = await connect(await command.port())
    const goodbye = new Promise((resolve) => client.once('disconnect', resolve))
    command.child.kill('SIGTERM')
    expect(await goodbye).toMatchObject({ cmd: 'disconnect', reasonCode: 0x8b })
    expect((await command.ended).exitCode).toBe(0)
  })

  it('ends at once on a second signal, with 1', async () => {
    const command = new RunningCommand(['-p', '0', '--memory'])
    // A peer that neither reads nor closes keeps an orderly end waiting.
    const peer = createConnection({
      port: await command.port(),
      host: '127.0.0.1',
      allowHalfOpen: true,
    }).pause()
    onTestFinished(() => void peer.destroy())
    peer.write(Buffer.from('100c00044d5154540402003c0000', 'hex'))
    await command.waitFor(/connected/)
    command.child.kill('SIGTERM')
    await command.waitFor(/Closing/)
    await new Promise((resolve) => setTimeout(resolve, 700))
    const started = performance.now()
    command.child.kill('SIGINT')
    expect((await command.ended).exitCode).toBe(1)
    expect(performance.now() - started).toBeLessThan(2_500)
    expect(command.log().at(-1)).toMatchObject({
      level: 'warn',
      msg: 'Ended at once: SIGINT was received again.',
    })
  })

  it('lets in who has a user name and its password, and nobody else', async () => {
    const path = temporaryFile('a.yaml', `users:\n  alice: ${await hashPassword('secret')}\n`)
    const command = new RunningCommand(['-c', path, '-p', '0', '--memory'])
    const port = await command.port()
    const client = await connect(port, { username: 'alice', password: 'secret' })
    expect(client.connected).toBe(true)
    await expect(connect(port, { username: 'alice', password: 'wrong' })).rejects.toMatchObject({
      code: 0x86,
    })
    await expect(connect(port)).rejects.toThrow()
    await command.waitFor(/Client refused/)
    expect(command.error).not.toMatch(/secret|wrong/)
  })

  it('serves with the limits of its environment', async () => {
    const command = new RunningCommand(['-p', '0', '--memory'], {
      TOPICWIRE_LIMITS__MAXIMUM_PACKET_SIZE_BYTES: '1000',
    })
    const port = await command.port()
    const client = createMqttClient(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5 })
    onTestFinished(() => void client.end(true))
    const connack = await new Promise((resolve) => client.once('connect', resolve))
    expect(connack).toMatchObject({ properties: { maximumPacketSize: 1000 } })
  })
})

describe('a reader that goes away', () => {
  /** Starts a command whose standard output nobody reads. */
  function unread(...args: string[]): RunningCommand {
    const command = new RunningCommand(args)
    command.child.stdout?.destroy()
    return command
  }

  it('is no failure', async () => {
    const { exitCode, error } = await unread('--help').ended
    expect({ exitCode, error }).toEqual({ exitCode: 0, error: '' })
  })

  it('ends a running broker in order', async () => {
    const command = unread('-p', '0', '--memory')
    expect((await command.ended).exitCode).toBe(0)
    expect(command.log()).toMatchObject([
      { level: 'info', msg: 'Closing: nobody reads our output any more.' },
    ])
  })
})
