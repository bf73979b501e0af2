/**
 * The fifteen packets as they are decoded, and as they may be given to `encode`: there what can be left out may be left
 * out, and bytes need not be a Buffer.
 */
import type { ProtocolVersion } from '../hooks/types.js'
import type { Properties, PublishProperties } from './properties.js'
import type { PublishPacket } from './publish.js'

export type { Properties, PublishProperties } from './properties.js'

/** Quality of Service. */
export type Qos = 0 | 1 | 2

/** The message that the server publishes for a client that goes without DISCONNECT. */
export interface Will {
  readonly topicName: string
  readonly payload: Buffer
  readonly qos: Qos
  readonly retain: boolean
  readonly properties: WillProperties
}

export type WillProperties<Bytes extends Uint8Array = Buffer> = Pick<
  Properties<Bytes>,
  | 'willDelayIntervalSecs'
  | 'payloadFormatIndicator'
  | 'messageExpiryIntervalSecs'
  | 'contentType'
  | 'responseTopic'
  | 'correlationData'
  | 'userProperties'
>

export interface ConnectPacket {
  readonly type: 'connect'
  readonly protocolVersion: ProtocolVersion
  /** Bit 7 of the protocol level, by which bridges of Mosquitto make themselves known. */
  readonly bridge: boolean
  /** Before 5.0: Clean Session. */
  readonly cleanStart: boolean
  readonly keepAliveSecs: number
  readonly clientId: string
  readonly will: Will | undefined
  readonly username: string | undefined
  readonly password: Buffer | undefined
  readonly properties: ConnectProperties
}

export type ConnectProperties<Bytes extends Uint8Array = Buffer> = Pick<
  Properties<Bytes>,
  | 'sessionExpiryIntervalSecs'
  | 'receiveMaximum'
  | 'maximumPacketSize'
  | 'topicAliasMaximum'
  | 'requestResponseInformation'
  | 'requestProblemInformation'
  | 'authenticationMethod'
  | 'authenticationData'
  | 'userProperties'
>

export interface ConnackPacket {
  readonly type: 'connack'
  readonly sessionPresent: boolean
  /** A Reason Code of 5.0. Before, the one that says the same as the Return Code that came, or is to be sent. */
  readonly reasonCode: number
  readonly properties: ConnackProperties
}

export type ConnackProperties<Bytes extends Uint8Array = Buffer> = Pick<
  Properties<Bytes>,
  | 'sessionExpiryIntervalSecs'
  | 'receiveMaximum'
  | 'maximumQos'
  | 'retainAvailable'
  | 'maximumPacketSize'
  | 'assignedClientId'
  | 'topicAliasMaximum'
  | 'reasonString'
  | 'userProperties'
  | 'wildcardSubscriptionAvailable'
  | 'subscriptionIdsAvailable'
  | 'sharedSubscriptionAvailable'
  | 'serverKeepAliveSecs'
  | 'responseInformation'
  | 'serverReference'
  | 'authenticationMethod'
  | 'authenticationData'
>

/** PUBACK, PUBREC, PUBREL or PUBCOMP. */
export interface AckPacket {
  readonly type: AckType
  readonly packetId: number
  /** Before 5.0 always 0. */
  readonly reasonCode: number
  readonly properties: ReasonProperties
}

export type AckType = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'

/** What an answer may add to its Reason Codes. */
export type ReasonProperties = Pick<Properties, 'reasonString' | 'userProperties'>

export interface SubscribePacket {
  readonly type: 'subscribe'
  readonly packetId: number
  readonly filters: readonly SubscribeFilter[]
  readonly properties: SubscribeProperties
}

/** One line of a SUBSCRIBE. Before 5.0 there is only the QoS; the rest is as its absence says. */
export interface SubscribeFilter {
  readonly topicFilter: string
  readonly qos: Qos
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  /** Retained messages are sent: 0 at each subscribe, 1 if the subscription is new, 2 never. */
  readonly retainHandling: 0 | 1 | 2
}

export type SubscribeProperties = Pick<Properties, 'subscriptionId' | 'userProperties'>

export interface SubackPacket {
  readonly type: 'suback'
  readonly packetId: number
  /** One for each filter, in their order: the QoS that was granted, or from 0x80 on why not. */
  readonly reasonCodes: readonly number[]
  readonly properties: ReasonProperties
}

export interface UnsubscribePacket {
  readonly type: 'unsubscribe'
  readonly packetId: number
  readonly topicFilters: readonly string[]
  readonly properties: Pick<Properties, 'userProperties'>
}

export interface UnsubackPacket {
  readonly type: 'unsuback'
  readonly packetId: number
  /** One for each filter; none before 5.0. */
  readonly reasonCodes: readonly number[]
  readonly properties: ReasonProperties
}

export interface PingreqPacket {
  readonly type: 'pingreq'
}

export interface PingrespPacket {
  readonly type: 'pingresp'
}

export interface DisconnectPacket {
  readonly type: 'disconnect'
  /** Before 5.0 always 0. */
  readonly reasonCode: number
  readonly properties: DisconnectProperties
}

export type DisconnectProperties = Pick<
  Properties,
  'sessionExpiryIntervalSecs' | 'reasonString' | 'userProperties' | 'serverReference'
>

/** 5.0 only. */
export interface AuthPacket {
  readonly type: 'auth'
  readonly reasonCode: number
  readonly properties: AuthProperties
}

export type AuthProperties<Bytes extends Uint8Array = Buffer> = Pick<
  Properties<Bytes>,
  'authenticationMethod' | 'authenticationData' | 'reasonString' | 'userProperties'
>

/** A packet as it is decoded; `type` says which. */
export type Packet =
  | ConnectPacket
  | ConnackPacket
  | PublishPacket
  | AckPacket
  | SubscribePacket
  | SubackPacket
  | UnsubscribePacket
  | UnsubackPacket
  | PingreqPacket
  | PingrespPacket
  | DisconnectPacket
  | AuthPacket

export type PacketType = Packet['type']

/** Those fields may be left out, or be undefined. */
type Optional<Type, Names extends keyof Type> = Omit<Type, Names> & {
  readonly [Name in Names]?: Type[Name] | undefined
}

/** What `encode` takes for a PUBLISH. The payload is asked for even where it is empty: so it is never lost unnoticed. */
export interface EncodablePublish {
  readonly type: 'publish'
  readonly topicName: string
  /** Text becomes UTF-8. */
  readonly payload: Uint8Array | string
  /** Default 0. */
  readonly qos?: Qos | undefined
  readonly retain?: boolean | undefined
  readonly dup?: boolean | undefined
  /** 1 to 65,535, with QoS 1 and 2 and only with those. */
  readonly packetId?: number | undefined
  /** Left out before 5.0. */
  readonly properties?: PublishProperties<Uint8Array> | undefined
}

export interface EncodableWill extends Omit<Optional<Will, 'qos' | 'retain'>, 'payload' | 'properties'> {
  readonly payload: Uint8Array | string
  readonly properties?: WillProperties<Uint8Array> | undefined
}

export interface EncodableConnect {
  readonly type: 'connect'
  /** Default: the one that `encode` is told. */
  readonly protocolVersion?: ProtocolVersion | undefined
  readonly bridge?: boolean | undefined
  /** Default true. */
  readonly cleanStart?: boolean | undefined
  /** Default 0: none. */
  readonly keepAliveSecs?: number | undefined
  readonly clientId: string
  readonly will?: EncodableWill | undefined
  readonly username?: string | undefined
  readonly password?: Uint8Array | string | undefined
  readonly properties?: ConnectProperties<Uint8Array> | undefined
}

export interface EncodableConnack extends Optional<Omit<ConnackPacket, 'properties'>, 'sessionPresent'> {
  readonly properties?: ConnackProperties<Uint8Array> | undefined
}

export interface EncodableAuth extends Omit<AuthPacket, 'properties'> {
  readonly properties?: AuthProperties<Uint8Array> | undefined
}

export interface EncodableSubscribe extends Optional<Omit<SubscribePacket, 'filters'>, 'properties'> {
  readonly filters: readonly Optional<
    SubscribeFilter,
    'qos' | 'noLocal' | 'retainAsPublished' | 'retainHandling'
  >[]
}

/** What `encode` takes: every decoded packet, and less where there are defaults. */
export type EncodablePacket =
  | EncodableConnect
  | EncodableConnack
  | EncodablePublish
  | Optional<AckPacket, 'reasonCode' | 'properties'>
  | EncodableSubscribe
  | Optional<SubackPacket, 'properties'>
  | Optional<UnsubscribePacket, 'properties'>
  | Optional<UnsubackPacket, 'reasonCodes' | 'properties'>
  | PingreqPacket
  | PingrespPacket
  | Optional<DisconnectPacket, 'reasonCode' | 'properties'>
  | EncodableAuth
