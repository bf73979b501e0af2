/** What failed between a command and its server: as one sentence, and as the end of the command. */
import { MqttError } from '../../errors.js'
import { EXIT_FAILURE, Exit } from './exit.js'

/** The Return Codes of 3.1 and 3.1.1, by the Reason Codes that say the same. */
const RETURN_CODES: ReadonlyMap<number, number> = new Map([
  [0x84, 1],
  [0x85, 2],
  [0x88, 3],
  [0x86, 4],
  [0x87, 5],
])

/** Where the client advises an option, there is a flag: by the code of the error behind it. */
const ADVICE: ReadonlyMap<string, (server: string) => string> = new Map([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', unknownAuthority],
  ['SELF_SIGNED_CERT_IN_CHAIN', unknownAuthority],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', unknownAuthority],
  ['UNABLE_TO_GET_ISSUER_CERT', unknownAuthority],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', unknownAuthority],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    (server) => `The certificate of ${server} is for another host; --insecure does not look at its name.`,
  ],
  [
    'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    (server) => `${server} wants a certificate of the client: --cert and --key.`,
  ],
  [
    'EADDRNOTAVAIL',
    (server) => `There is no way to ${server} from here; -A takes an address of this machine.`,
  ],
])

/** In one sentence, with the server's name. */
export function connectionFailure(server: string, error: unknown): string {
  const advice = ADVICE.get(innermostCode(error))
  if (advice !== undefined) return advice(server)
  if (error instanceof MqttError || error instanceof Exit) return error.message
  return `${server}: ${error instanceof Error ? error.message : String(error)}`
}

/** With the code of the server where it has refused, as mosquitto_pub has it. `version` is the client's. */
export function connectionExit(server: string, error: unknown, version: number): Exit {
  return error instanceof Exit
    ? error
    : new Exit(refusalCode(error, version) ?? EXIT_FAILURE, connectionFailure(server, error))
}

/** The code with which the server has refused a connection, a message or a subscription. */
export function refusalCode(error: unknown, version: number): number | undefined {
  if (!(error instanceof MqttError) || !error.code.endsWith('_REFUSED')) return undefined
  const { code, reasonCode } = error
  if (code !== 'ERR_MQTT_CONNECTION_REFUSED' || version === 5 || reasonCode === undefined) return reasonCode
  return RETURN_CODES.get(reasonCode) ?? reasonCode
}

function unknownAuthority(server: string): string {
  return `The certificate of ${server} is from an authority that this machine does not know; --cafile names it.`
}

/** Of the error that Node or OpenSSL had; a host name with several addresses has one for each of them. */
function innermostCode(error: unknown): string {
  const [first] = error instanceof AggregateError ? error.errors : []
  if (first !== undefined) return innermostCode(first)
  if (error instanceof MqttError) return error.cause === undefined ? '' : innermostCode(error.cause)
  return String((error as NodeJS.ErrnoException | undefined)?.code ?? '')
}
