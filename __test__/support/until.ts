const PATIENCE_MS = 5_000

/** Waits for `probe` to give something other than false or undefined, and returns that. */
export async function until<T>(
  probe: () => T | undefined | false,
  what: string,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const value = probe()
    if (value !== undefined && value !== false) return value
    if (performance.now() > deadline) throw new Error(`${what} did not come about in ${patienceMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
