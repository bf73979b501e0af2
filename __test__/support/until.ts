const PATIENCE_MS = 5_000

/** Waits for `probe` to give something other than false or undefined, and returns that. */
export async function until<T>(probe: () => T | undefined | false, what: string): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const value = probe()
    if (value !== undefined && value !== false) return value
    if (performance.now() > deadline) throw new Error(`${what} did not come about in ${PATIENCE_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
