import type { Results } from '../results.js'
export function reportPage(results: Results): string {
  return JSON.stringify(results)
}
