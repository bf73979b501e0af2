/** Medians with their spread, and the ratios of two brokers. */

/** @returns {{ median: number, min: number, max: number } | undefined} undefined for no values */
export function spread(values) {
  if (values.length === 0) return undefined
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  return { median, min: sorted[0], max: sorted[sorted.length - 1] }
}

/**
 * The ratio of `ours` to `theirs`, formed within each repeat and only then summed up, so that what disturbs the
 * machine for a while disturbs both sides of a ratio. Both are maps from repeat to value.
 */
export function ratioSpread(ours, theirs) {
  const ratios = [...ours]
    .filter(([repeat]) => theirs.has(repeat))
    .map(([repeat, value]) => value / theirs.get(repeat))
  return spread(ratios)
}
