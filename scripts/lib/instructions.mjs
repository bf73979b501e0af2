/** What counts of instructions mean: read out of valgrind's words, divided, and held against the pinned ones. */

/** The count in what callgrind writes at its end; undefined where there is none. */
export function instructionsIn(output) {
  const digits = /Collected\s*:\s*(\d+)/.exec(output)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** `1.88.0` of `rustc 1.88.0 (…)`. */
export function rustcVersion(output) {
  return /^rustc (\S+)/.exec(output ?? '')?.[1] ?? 'unknown'
}

/** What one unit takes, to a tenth: the difference of two runs, without what both have in common. */
export function perUnit([few, many], [fewTimes, manyTimes], units) {
  return Math.round(((many - few) / (manyTimes - fewTimes) / units) * 10) / 10
}

/**
 * Lines to print, and whether all is well. With the compiler that the counts were pinned with, a part may take
 * `marginPercent` more. Another compiler makes other code, so then `otherCompilerMarginPercent` counts, and only CI fails.
 */
export function compare({ counts, rustc, arch, pinned, isCi }) {
  const machine = pinned.machines[arch]
  if (machine === undefined) {
    return {
      lines: [`No counts are pinned for ${arch}: npm run instructions -- --pin, on such a machine.`],
      isGood: true,
    }
  }
  const isSame = machine.rustc === rustc
  const margin = isSame ? pinned.marginPercent : pinned.otherCompilerMarginPercent
  const lines = []
  if (!isSame) {
    const word = isCi ? 'fails' : 'is only said'
    lines.push(
      `The counts are pinned with rustc ${machine.rustc} and this is ${rustc}: what is more than ${margin} % above ${word}.`,
    )
  }
  let failures = 0
  for (const [name, found] of Object.entries(counts)) {
    const wanted = machine.counts[name]
    if (wanted === undefined) {
      failures += 1
      lines.push(`${name}: ${found} instructions, and none are pinned: npm run instructions -- --pin ${name}`)
      continue
    }
    const percent = ((found - wanted) / wanted) * 100
    if (percent > margin) {
      failures += 1
      lines.push(
        `${name}: ${found} instructions, ${percent.toFixed(1)} % above the pinned ${wanted}; ` +
          'if that is meant: npm run instructions -- --pin',
      )
    } else if (percent < -margin) {
      lines.push(
        `${name}: ${found} instructions, ${(-percent).toFixed(1)} % below the pinned ${wanted}: pin it.`,
      )
    } else {
      lines.push(`${name}: ${found} instructions (pinned ${wanted})`)
    }
  }
  const gone = Object.keys(machine.counts).filter((name) => isAll(counts, machine) && !(name in counts))
  for (const name of gone) lines.push(`${name}: pinned, and no part any more: npm run instructions -- --pin`)
  return { lines, isGood: failures + gone.length === 0 || (!isSame && !isCi) }
}

/** More than a few parts were asked for: then one that is not among them is gone. */
function isAll(counts, machine) {
  return Object.keys(counts).length > Object.keys(machine.counts).length / 2
}
