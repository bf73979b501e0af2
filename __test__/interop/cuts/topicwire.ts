/** Our own client. */
import { connect } from '../../../src/index.js'
import type { ProtocolVersion } from '../peers/paho.js'
import { wordsPair } from './mqtt-words.js'
import type { CutPair } from './pair.js'

export const topicwirePair = (protocolVersion: ProtocolVersion): CutPair =>
  wordsPair('topicwire', protocolVersion, (url, options) =>
    connect(url, { ...options, reconnectPeriodMax: 5 }),
  )
