/** What the kinds of password hashes have in common. */

/** Above this a single log-in would take seconds and gigabytes: a mistake, or somebody's attack. */
export const MAXIMUM_MEMORY_BYTES = 1024 * 1024 * 1024

/** Base64 without padding, as PHC strings have it. */
export function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
