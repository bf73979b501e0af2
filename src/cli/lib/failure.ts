/** Why a connection did not come about, in one sentence. */
import { EXIT_FAILURE, Exit } from './exit.js'

/** What an error of the network or of CONNACK means, with the server's name. */
export function connectionFailure(server: string, error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: string }
  // A host name with several addresses fails with one error for each of them.
  const [first] = (error as { errors?: unknown[] }).errors ?? []
  if (first !== undefined) return connectionFailure(server, first)
  if (code === 'ECONNREFUSED') return `Nothing listens at ${server}.`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `The host of ${server} is not known.`
  if (code === 'ETIMEDOUT') return `${server} does not answer.`
  return `${server}: ${message === undefined || message === '' ? String(error) : message}`
}

/** The same as the end of a command: with the code of CONNACK where the server has refused, as mosquitto_sub has it. */
export function connectionExit(server: string, error: unknown): Exit {
  const { code } = error as { code?: unknown }
  return new Exit(typeof code === 'number' ? code : EXIT_FAILURE, connectionFailure(server, error))
}
