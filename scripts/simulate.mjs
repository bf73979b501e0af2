/**
 * `npm run simulate -- --seed N --steps N --minutes N`: random operations on a broker, its store and many clients under
 * virtual time, checked against a model. See docs/simulation.md.
 */
import { pathToFileURL } from 'node:url'
import { main, run } from './lib/project.mjs'

/** Builds the simulator and runs it with these arguments. @returns the exit code */
export function simulate(args) {
  const cargo = ['run', '--quiet', '--profile', 'simulation', '--package', 'topicwire-simulate', '--']
  return run('cargo', [...cargo, ...args])
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(() => simulate(process.argv.slice(2)))
}
