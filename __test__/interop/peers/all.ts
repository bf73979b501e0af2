/** The peers of the matrix: to add one is to add a line here. */
import type { TestContext } from 'vitest'
import { findPeer, requirePeer } from '../../support/peers.js'
import { chromiumPeer } from './chromium.js'
import { mosquittoPeer } from './mosquitto-clients.js'
import { mqttJsPeer } from './mqtt-js.js'
import { pahoPeer } from './paho.js'
import type { Peer } from './peer.js'

export function allPeers(): Peer[] {
  return [
    pahoPeer(2, 5),
    pahoPeer(2, 4),
    pahoPeer(1, 5),
    pahoPeer(1, 4),
    pahoPeer(2, 5, 'mqtts'),
    pahoPeer(2, 4, 'wss'),
    pahoPeer(1, 5, 'ws'),
    pahoPeer(1, 4, 'mqtts'),
    mqttJsPeer('mqtt', 5),
    mqttJsPeer('mqtt', 4),
    mqttJsPeer('mqtts', 5),
    mqttJsPeer('mqtts', 4),
    mqttJsPeer('ws', 5),
    mqttJsPeer('ws', 4),
    mqttJsPeer('wss', 5),
    mqttJsPeer('wss', 4),
    mosquittoPeer('5'),
    mosquittoPeer('311'),
    mosquittoPeer('31'),
    chromiumPeer(),
  ]
}

export function isInstalled({ program }: Peer): boolean {
  return program === undefined || findPeer(program) !== undefined
}

/** Inside a test: skips it when one of the peers is not installed; in CI that fails. */
export function requireInstalled(peers: readonly Peer[], context: Pick<TestContext, 'skip'>): void {
  for (const { program } of peers) if (program !== undefined) requirePeer(program, context)
}
