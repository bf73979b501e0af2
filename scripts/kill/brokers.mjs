/** The brokers that the kill tests know: how each is started on a directory and a port, with limits that nothing reaches. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot } from '../lib/project.mjs'

const { bin } = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'))

/** Debian puts it where only root's PATH looks. */
const MOSQUITTO_PLACES = [
  'mosquitto',
  '/usr/sbin/mosquitto',
  '/usr/local/sbin/mosquitto',
  '/opt/homebrew/sbin/mosquitto',
]

/**
 * `versions`: what its clients may speak. `start`: the command line and the environment, for a port and a directory of its
 * own that is there. `missing`: a sentence where it is not on this machine.
 */
export const brokers = {
  topicwire: {
    versions: [4, 5],
    missing: () => !existsSync(inRoot(bin.topicwire)) && 'topicwire is not built: `npm run build` builds it.',
    start: ({ port, directory, durability }) => ({
      command: [
        process.execPath,
        inRoot(bin.topicwire),
        '-q',
        ...['-p', String(port)],
        ...['--data', join(directory, 'data')],
        ...['--durability', durability],
      ],
      env: {
        TOPICWIRE_LIMITS__MAXIMUM_QUEUED_MESSAGES: '4000000000',
        TOPICWIRE_LIMITS__MAXIMUM_QUEUED_BYTES: '9007199254740991',
        TOPICWIRE_LIMITS__MAXIMUM_BUFFERED_BYTES: '9007199254740991',
      },
    }),
  },
  mosquitto: {
    versions: [4, 5],
    missing: () =>
      mosquitto() === undefined && 'Mosquitto is not on this machine: `apt-get install mosquitto` brings it.',
    start: ({ port, directory }) => {
      const path = join(directory, 'mosquitto.conf')
      const lines = [
        `listener ${port} 127.0.0.1`,
        'allow_anonymous true',
        // As root it would become another user, who may not write here.
        'user root',
        'persistence true',
        `persistence_location ${directory}/`,
        // As often as it can be told to save, in seconds.
        'autosave_interval 1',
        'set_tcp_nodelay true',
        'max_queued_messages 0',
        'max_inflight_messages 0',
        'log_type error',
      ]
      writeFileSync(path, `${lines.join('\n')}\n`)
      return { command: [mosquitto(), '-c', path], env: {} }
    },
  },
  aedes: {
    // It speaks no 5.0.
    versions: [4],
    missing: () =>
      !existsSync(inRoot('node_modules', 'aedes-persistence-level', 'package.json')) &&
      'Aedes is not installed: `npm install` brings it.',
    start: ({ port, directory }) => ({
      command: [
        process.execPath,
        inRoot('scripts', 'kill', 'aedes.mjs'),
        String(port),
        join(directory, 'data'),
      ],
      env: {},
    }),
  },
}

function mosquitto() {
  return MOSQUITTO_PLACES.find((place) => spawnSync(place, ['-h']).error === undefined)
}
