/**
 * Runs once before vitest. Specs import src/, which loads the addon, and spawn the command from dist/: whoever calls
 * vitest by itself is told when these are not what is in the tree. `npm test` brings them up to date.
 */
import { staleParts } from './ensure.mjs'
import { say } from './lib/project.mjs'

export function setup() {
  const stale = staleParts()
  if (stale.length > 0) say(`older than its sources: ${stale.join(' and ')} (npm run build)`)
}
