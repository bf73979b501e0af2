/**
 * The only importer of the addon. Its classes and functions are passed on as they are; what is added here is one
 * shape for its errors.
 */
import { type ErrorCode, errorCodes, MqttError } from './errors.js'

export {
  argon2id,
  dropReasonNames,
  metricNames,
  type NativeAuthenticationStep,
  NativeBroker,
  type NativeClientOptions,
  type NativeClientStatistics,
  NativeClients,
  type NativeOptions,
  type NativeProperties,
  type NativeRefusal,
  type NativeReplacement,
  NativeStore,
  type NativeStoreReport,
  type NativeStoreStats,
  NativeStoreTool,
  type NativeStranger,
  NativeTopicRouter,
  nativeDecoder,
  reasonCodeName,
  recodePacket,
  topicFiltersOverlap,
  topicMatches,
  whenReaderGone,
} from '../index.js'

/** Bits of the status that calls into the core return. `crates/napi/src/state.rs` has the same. */
export const OUTPUT = 1
export const EVENTS = 2
export const HELD = 4
export const ENDED = 8
export const ARRIVED = 16
export const STORE = 32
export const STORE_CHANGED = 64
export const RESUMED = 128

/** An error of the addon as an `MqttError`; any other error as it is. */
export function fromNative(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { code } = error as { code?: unknown }
  if (typeof code !== 'string' || !Object.hasOwn(errorCodes, code)) return error
  return new MqttError(code as ErrorCode, error.message, { cause: error })
}
