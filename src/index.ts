/** The public exports and nothing else. */
export { Broker, type CloseOptions, type PublishOptions } from './broker.js'
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
export {
  type MessageHandler,
  MessageStream,
  type MessagesOptions,
  type SubscribeOptions,
  Subscription,
} from './subscription.js'
export { TopicRouter } from './topic-router.js'
export type { StreamInfo } from './transports/stream.js'
export type { Protocol } from './transports/transport.js'
