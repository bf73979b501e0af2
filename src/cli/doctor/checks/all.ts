/** All checks, in the order of src/knowledge/table.ts. */
import { knowledge } from '../../../knowledge/table.js'
import type { Check } from '../check.js'
import { clientId, logIn, session, version } from './connect.js'
import { permissions, qos, slowConsumer } from './delivery.js'
import { idle } from './idle.js'
import { nativeAddon, openFilesCheck, portOwner } from './machine.js'
import { addressFamily, loopbackOnly, network } from './network.js'
import { backgroundTab, localNetwork, mixedContent } from './page.js'
import { scheme, webSocketAtMqttPort } from './protocol.js'
import { certificate, certificateAuthority, clientCertificate } from './tls.js'
import { nearMisses, packetSize, retained } from './topics.js'
import { origin, subprotocol, webSocketPath } from './websocket.js'

const checks: readonly Check[] = [
  ...[webSocketAtMqttPort, scheme, webSocketPath, subprotocol, loopbackOnly, addressFamily, network],
  ...[certificateAuthority, certificate, clientCertificate, mixedContent, localNetwork, origin, idle],
  ...[backgroundTab, clientId, version, logIn, permissions, qos, session, nearMisses, packetSize, retained],
  ...[slowConsumer, openFilesCheck, nativeAddon, portOwner],
]

/** A row without a check, or a check without a row, is a mistake of ours that a test would see. */
export const allChecks: readonly Check[] = knowledge.map(({ code }) => {
  const check = checks.find((one) => one.code === code)
  if (check === undefined) throw new Error(`There is no check for ${code}.`)
  return check
})
