/**
 * The shapes of the hooks: what each is told and what it may answer.
 *
 * A hook may answer at once or with a promise; while it decides, that connection's later packets wait and other
 * connections go on. A hook that throws or rejects denies, and the broker logs it as ERR_MQTT_HOOK_FAILED.
 */
import type { Protocol } from '../transports/transport.js'

/** The MQTT version of a connection: 3 is 3.1, 4 is 3.1.1, 5 is 5.0, as they stand in the CONNECT packet. */
export type ProtocolVersion = 3 | 4 | 5

/**
 * A refusal with the Reason Code that a 5.0 client is told; 3.1.1 clients get what their version has for it. A code that
 * the answer cannot carry becomes 0x87, Not authorized.
 */
export interface Refusal {
  /** 0x80 to 0xFF. */
  readonly reasonCode: number
  /** One sentence for the peer (the Reason String) and, about a CONNECT, for the log. Nothing secret. */
  readonly reason?: string
}

/** A refusal of `authenticate`. */
export interface ConnectRefusal extends Refusal {
  /** With 0x9C (Use another server) or 0x9D (Server moved): which one, for instance `mqtt2.example.org:1883`. */
  readonly serverReference?: string
}

/** What `authenticate` may answer to let a client in with something of its own. */
export interface Acceptance {
  /** Its Response Information, in place of `BrokerOptions.responseInformation`; 5.0 clients get it if they ask. */
  readonly responseInformation: string
}

/** `true` allows, `false` is "not authorized" (0x87). */
export type Verdict = boolean | Refusal

/** What `authenticate` is told about a CONNECT packet. */
export interface AuthenticateRequest {
  /** As sent; empty when the client asks to be given one. */
  readonly clientId: string
  readonly username?: string
  /** A copy; the hook may keep it. */
  readonly password?: Buffer
  readonly remoteAddress: string
  readonly protocol: Protocol
  readonly version: ProtocolVersion
  readonly cleanStart: boolean
}

/** The client that a later hook is asked about. */
export interface HookClient {
  readonly clientId: string
  readonly username?: string
  readonly remoteAddress: string
  readonly protocol: Protocol
}

/** A message on its way in. `payload` is made when it is first read. */
export interface PublishRequest {
  readonly client: HookClient
  readonly topicName: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly payload: Buffer
}

/** One Topic Filter of a SUBSCRIBE packet. */
export interface SubscribeRequest {
  readonly client: HookClient
  /** Without the `$share/<name>/` of a shared subscription. */
  readonly topicFilter: string
  readonly qos: 0 | 1 | 2
}

/** What `onPublish` changes about a message; what is absent stays. */
export interface PublishReplacement {
  readonly topicName?: string
  readonly payload?: string | Uint8Array
  readonly qos?: 0 | 1 | 2
  readonly retain?: boolean
}

/** What an authentication method is told when a client names it. */
export interface AuthenticationRequest {
  /** The method's name, as it is registered. */
  readonly method: string
  /** True on a connection that is open: the client proves again who it is. */
  readonly isReAuthentication: boolean
  /** As sent; empty when the client asks to be given one. */
  readonly clientId: string
  /** The user name of CONNECT, which proves nothing; in a re-authentication the one that is established. */
  readonly username?: string
  readonly remoteAddress: string
  readonly protocol: Protocol
}

/**
 * What a method says to the client's words: more, with an answer wanted; that it is content; or a refusal (`false` is
 * 0x87). `data` has at most 65,535 bytes.
 */
export type AuthenticationStep =
  | { readonly status: 'continue'; readonly data?: string | Uint8Array }
  | {
      readonly status: 'success'
      /** Last words, which CONNACK carries, or the AUTH that ends a re-authentication. */
      readonly data?: string | Uint8Array
      /**
       * Whom the method has established: the user name that hooks and events see from now on. Default: as it was. A
       * re-authentication that names another one is refused.
       */
      readonly username?: string
      /** As in `Acceptance`; without a use in a re-authentication. */
      readonly responseInformation?: string
    }
  | ConnectRefusal
  | false

/** One client's conversation with a method, from its first words to success or refusal. */
export interface AuthenticationExchange {
  /**
   * Asked for CONNECT (or the AUTH that starts a re-authentication) and for each AUTH after it, never twice at a time.
   * `data` is a copy; undefined where the packet has none. One that throws or rejects denies.
   */
  step(data: Buffer | undefined): AuthenticationStep | Promise<AuthenticationStep>
}

/** A way to authenticate that a 5.0 client can name in CONNECT: enhanced authentication, section 4.12. */
export interface AuthenticationMethod {
  /** Called for each client that names the method, and for each re-authentication. */
  start(request: AuthenticationRequest): AuthenticationExchange
}

/** `true` and an `Acceptance` let the client in, `false` is "bad user name or password" (0x86). */
export type AuthenticateVerdict = boolean | ConnectRefusal | Acceptance

/** Asked once for each CONNECT that names no authentication method. */
export type AuthenticateHook = (
  request: AuthenticateRequest,
) => AuthenticateVerdict | Promise<AuthenticateVerdict>

/** Asked for each PUBLISH whose topic the hook's filter matches, before anything else is done with it. */
export type AuthorizePublishHook = (request: PublishRequest) => Verdict | Promise<Verdict>

/** Asked for each Topic Filter of a SUBSCRIBE that the hook's filter covers. */
export type AuthorizeSubscribeHook = (request: SubscribeRequest) => Verdict | Promise<Verdict>

/** Sees, and may replace or (with `false`) quietly drop, each allowed message. */
export type PublishHook = (
  message: PublishRequest,
) => undefined | false | PublishReplacement | Promise<undefined | false | PublishReplacement>
