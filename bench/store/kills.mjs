/** What a broker loses when it is killed, as the kill tests (`npm run kill`) see it. */
import { spawn } from 'node:child_process'
import { inRoot } from '../../scripts/lib/project.mjs'

const SEED = 1

/**
 * Kills a broker so many times. Gives `kills`, `acknowledged` (messages), `lost`, `doubled` (QoS 2), `subscriptions` (lost
 * ones) and `sessions` (lost ones); undefined where the kill tests could not be run.
 */
export async function losses(broker, rounds, durability) {
  const words = [
    '--broker',
    broker,
    '--rounds',
    String(rounds),
    '--seed',
    String(SEED),
    '--patient',
    '--json',
  ]
  if (durability !== undefined) words.push('--durability', durability)
  const child = spawn(process.execPath, [inRoot('scripts', 'kill.mjs'), ...words], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let text = ''
  for await (const chunk of child.stdout.setEncoding('utf8')) text += chunk
  try {
    const { kills, counts, faults } = JSON.parse(text)
    const { lost, doubled, subscription: subscriptions, session: sessions } = faults
    return { kills, acknowledged: counts.acknowledged, lost, doubled, subscriptions, sessions }
  } catch {
    return undefined
  }
}

/** The cell of a table. */
export function describeLosses(loss) {
  if (loss === undefined) return '–'
  const { kills, acknowledged, lost, doubled, subscriptions, sessions } = loss
  const others = [
    [doubled, 'doubled'],
    [subscriptions, 'subscriptions'],
    [sessions, 'sessions'],
  ]
  const words = others.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
  return [`${lost} of ${acknowledged} in ${kills} kills`, ...words].join(', ')
}
