/** The public exports and nothing else. */
export { Broker, type CloseOptions } from './broker.js'
export type {
  BrokerEvents,
  ClientInfo,
  ConnectEvent,
  DisconnectEvent,
  DropEvent,
  ReauthenticateEvent,
  RefuseEvent,
  SubscribeEvent,
  UnsubscribeEvent,
} from './broker-events.js'
export type { Authentication } from './client/authentication.js'
export { MqttClient } from './client/client.js'
export type { ClientEvents, ConnackWords, PacketInWords, PublishInWords } from './client/client-events.js'
export { type FilterOptions, ReceivedMessage, type ReceivedPacket } from './client/client-like.js'
export type {
  ClientOptions,
  EndCallback,
  EndOptions,
  PublishCallback,
  StreamBuilder,
  SubscribeCallback,
  UnsubscribeCallback,
} from './client/client-options.js'
export type { ClientStoreOptions } from './client/client-store.js'
export { connect, connectAsync } from './client/connect.js'
export { type HandlerOptions, HandlerSubscription, type ReceivedHandler } from './client/handlers.js'
export { type ClientMessagesOptions, ReceivedStream } from './client/messages.js'
export type {
  AckHandler,
  ClientQueueFullPolicy,
  ConnectProperties,
  MqttOptions,
  WillOptions,
} from './client/options.js'
export type { ClientPublishOptions, PublishReceipt } from './client/outgoing.js'
export type { ReceivedPublish } from './client/received.js'
export type { RequestOptions } from './client/request.js'
export type { Answer, RequestHandler, RespondOptions } from './client/respond.js'
export { type ScramLogin, scramSha256Client } from './client/scram.js'
export type { ClientSubscribeOptions, SubscriptionGrant } from './client/subscriptions.js'
export type { TopicsToSubscribe } from './client/topics.js'
export type { GivenPublishProperties, PacketWords, PublishWords, UserProperties } from './client/words.js'
export { type Decoded, decode } from './codec/decode.js'
export { encode } from './codec/encode.js'
export type { DecodeOptions, EncodeOptions } from './codec/options.js'
export type * from './codec/packets.js'
export { PacketParser } from './codec/parser.js'
export type { PublishObject, PublishPacket } from './codec/publish.js'
export { type ErrorCode, MqttError, type MqttErrorDetails } from './errors.js'
export type { Farewell } from './farewell.js'
export type { Features } from './features.js'
export {
  deriveScramCredentials,
  type ScramCredentials,
  type ScramOptions,
  scramSha256,
} from './hooks/scram.js'
export type * from './hooks/types.js'
export type { Limits, QueueFullPolicy, ReceiveMaximumPolicy } from './limits.js'
export type { ListenerAddress } from './listeners/listener.js'
export type { Logger } from './logger.js'
export { Message, type MessageProperties } from './message.js'
export type {
  BrokerOptions,
  FilteredHook,
  HookOption,
  ListenerOptions,
  ListenerProtocol,
  SocketDriver,
  TlsOptions,
} from './options.js'
export { binary, json, type PayloadCodec, type Schema, text } from './payload-codecs.js'
export type { Problem, ProblemCode } from './problems/problem.js'
export type { PublishOptions } from './publishing.js'
export type { Durability, StoreOptions, StoreProgress, StoreStatus } from './store-options.js'
export {
  type MessageHandler,
  MessageStream,
  type MessagesOptions,
  type SubscribeOptions,
  Subscription,
} from './subscription.js'
export type { SomeTopicParams, TopicParams } from './topic-pattern.js'
export { TopicRouter } from './topic-router.js'
export type { StreamInfo } from './transports/stream.js'
export type { Protocol } from './transports/transport.js'
export { type BrokerLike, type TypedMessage, TypedTopic, topic } from './typed-topics.js'
