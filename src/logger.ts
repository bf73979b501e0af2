/**
 * What topicwire needs from a logger. pino fits as it is; so does anything with these four methods.
 *
 * The fields come first and hold what a program searches for (client id, peer, protocol, reason); the message is a
 * short sentence for people. Payloads, passwords and user properties are never logged.
 */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

function ignore(): void {}

/** The logger of an embedded broker that was given none: a library is silent. */
export const silentLogger: Logger = Object.freeze({
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
})
