/**
 * The brokers of the bench: how each is found, named and started. `find` gives the version, or undefined with a
 * sentence in `missing` when the broker is not on this machine; `start` gives the command line for a port and a
 * scenario; `load`, where there is one, replaces keys of each scenario's load; `lacks` tells which scenarios are not for
 * it.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot } from '../scripts/lib/project.mjs'

/** Debian puts it where only root's PATH looks. */
const mosquittoPlaces = [
  'mosquitto',
  '/usr/sbin/mosquitto',
  '/usr/local/sbin/mosquitto',
  '/opt/homebrew/sbin/mosquitto',
]

/** Collects garbage on SIGUSR2, so that resident memory can be read without it; both Node brokers get it. */
const collectable = ['--expose-gc', '--import', inRoot('bench', 'lib', 'gc-on-signal.mjs')]

const manifest = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'))

export const brokers = [
  {
    name: 'topicwire',
    isOurs: true,
    isNode: true,
    missing: 'topicwire is not built: `npm run build` builds it',
    find: () => (existsSync(inRoot(manifest.bin.topicwire)) ? `${manifest.version}${commit()}` : undefined),
    start: ({ port, canCollect, scenario }) => [
      process.execPath,
      ...(canCollect ? collectable : []),
      ...(scenario?.hook
        ? [inRoot('bench', 'hooked.mjs')]
        : [inRoot(manifest.bin.topicwire), '--memory', '-p']),
      String(port),
    ],
  },
  mosquitto('mosquitto', true),
  // Nagle's algorithm on, which is Mosquitto's default: some saturated loads run faster with it.
  mosquitto('mosquitto-nagle', false),
  aedes('aedes'),
  // Aedes slows down to a third and less when thousands of messages wait in its sockets; here they do not.
  { ...aedes('aedes-lag-1k'), isSaturatedOnly: true, load: { lagMessages: 1_000 } },
  {
    // Not a broker: the generator's own byte pump. Its figure is what this generator can reach at most.
    name: 'ceiling',
    isCeiling: true,
    lacks: ['hook', 'frozen', 'connects', 'retained', 'background'],
    find: () => 'null broker',
    start: ({ port, loadgen }) => [loadgen, 'relay', String(port)],
  },
]

function mosquitto(name, noDelay) {
  let program
  return {
    name,
    lacks: ['hook'],
    missing: 'Mosquitto is not on this machine: `apt-get install mosquitto` brings it',
    find: () => {
      for (const place of mosquittoPlaces) {
        const { stdout, error } = spawnSync(place, ['-h'], { encoding: 'utf8' })
        if (error !== undefined) continue
        program = place
        return /version (\S+)/.exec(stdout)?.[1]
      }
      return undefined
    },
    start: ({ port, scratch, scenario }) => {
      const file = join(scratch, `mosquitto-${port}.conf`)
      // Its default limits drop messages silently, which would look like speed.
      const lines = [
        `listener ${port} 127.0.0.1`,
        ...(isOverWebSocket(scenario) ? ['protocol websockets', ...besideWebSocket(file)] : []),
        'allow_anonymous true',
        `set_tcp_nodelay ${noDelay}`,
        'max_queued_messages 0',
        'max_inflight_messages 0',
        ...(scenario?.persistence === undefined
          ? ['persistence false']
          : [
              'persistence true',
              `persistence_location ${scenario.persistence}/`,
              'autosave_interval 1',
              // As root it would become another user, who may not write there.
              'user root',
            ]),
        'log_type error',
      ]
      writeFileSync(file, `${lines.join('\n')}\n`)
      return [program, '-c', file]
    },
  }
}

/**
 * Mosquitto does not start with a WebSocket listener alone, so there is one more that nobody uses. As root it would
 * become another user first, who may not write here.
 */
function besideWebSocket(file) {
  return [`listener 0 ${file}.socket`, 'user root']
}

function aedes(name) {
  return {
    name,
    isNode: true,
    missing: 'Aedes is not installed: `npm install` brings it',
    find: () => {
      const path = inRoot('node_modules', 'aedes', 'package.json')
      return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).version : undefined
    },
    start: ({ port, canCollect, scenario }) => [
      process.execPath,
      ...(canCollect ? collectable : []),
      inRoot('bench', 'aedes.mjs'),
      String(port),
      ...(isOverWebSocket(scenario) ? ['websocket'] : []),
      ...(scenario?.hook ? ['hook'] : []),
    ],
  }
}

/** Whether a broker can take part in a scenario at all. */
export function canServe(broker, scenario) {
  const asks = {
    hook: scenario.hook === true,
    frozen: scenario.frozen !== undefined,
    connects: scenario.connects !== undefined,
    retained: scenario.retained !== undefined,
    background: scenario.load?.backgroundSubscriptions !== undefined,
  }
  return !(broker.lacks ?? []).some((ask) => asks[ask])
}

function isOverWebSocket(scenario) {
  const { load, idle } = scenario ?? {}
  return (load ?? idle)?.transport === 'websocket'
}

/** The commit of the work tree, with a plus when there are changes on top; nothing outside a checkout. */
function commit() {
  const git = (...args) => spawnSync('git', args, { cwd: inRoot(), encoding: 'utf8' })
  const { status, stdout } = git('rev-parse', '--short', 'HEAD')
  if (status !== 0) return ''
  const changed = git('status', '--porcelain', '--untracked-files=no').stdout.trim() !== ''
  return ` (${stdout.trim()}${changed ? '+' : ''})`
}
