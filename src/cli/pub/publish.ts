/** Publishing, no faster than it goes: a message more is taken when one before it is as safe as its QoS says. */
import { setTimeout as delay } from 'node:timers/promises'
import type { MqttClient } from '../lib/client.js'
import { linesOf } from '../lib/lines.js'
import type { Session } from '../lib/session.js'

/** What all messages of a run share. */
export interface Outgoing {
  readonly topic: string
  readonly options: Parameters<MqttClient['publishAsync']>[2]
}

/** Messages that are on their way at once. A server's Receive Maximum may make it fewer. */
const WINDOW = 100

export async function publishRepeatedly(
  session: Session,
  { topic, options }: Outgoing,
  payload: Buffer,
  count: number,
  delaySecs: number,
): Promise<void> {
  for (let index = 0; index < count; index++) {
    if (index > 0 && delaySecs > 0) await delay(delaySecs * 1_000)
    await published(session, session.client.publishAsync(topic, payload, options))
  }
}

/** Every line of standard input, in order. */
export async function publishLines(session: Session, message: Outgoing): Promise<void> {
  // It may stay open for ever after a failure; then nobody reads it any more.
  session.over.catch(() => process.stdin.destroy())
  await publishEach(session, message, linesOf(process.stdin as AsyncIterable<Uint8Array>))
}

async function publishEach(
  session: Session,
  { topic, options }: Outgoing,
  payloads: AsyncIterable<Buffer>,
): Promise<void> {
  const underWay = new Set<Promise<void>>()
  for await (const line of payloads) {
    const one = published(session, session.client.publishAsync(topic, line, options))
    underWay.add(one)
    // A failure is met by the next wait, which is never far.
    one.finally(() => underWay.delete(one)).catch(() => {})
    if (underWay.size >= WINDOW) await Promise.race(underWay)
  }
  await Promise.all(underWay)
}

/** A refusal ends the command. */
async function published(session: Session, work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    const exit = session.failure(error)
    session.stop(exit)
    throw exit
  }
}
