/** Runs once before vitest: `npx vitest` alone must test what is in the tree, not what was built yesterday. */
import { ensure } from './ensure.mjs'

export function setup() {
  return ensure({ only: ['native', 'typescript'] })
}
