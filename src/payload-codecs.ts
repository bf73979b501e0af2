/**
 * What a payload is: how a value becomes bytes and bytes a value. Errors of a codec are its own; typed-topics.ts makes
 * them `MqttError`s.
 */

/** Anything that reads and writes payloads. `In` is what may be written, `Out` what is read. */
export interface PayloadCodec<Out, In = Out> {
  encode(value: In): string | Uint8Array
  decode(payload: Uint8Array): Out
}

/** What schema libraries have: zod, and most others. It throws what is wrong with a value, or gives it, or a better one. */
export interface Schema<Out> {
  parse(value: unknown): Out
}

/** What a schema gives. */
export type SchemaOutput<S> = S extends Schema<infer Out> ? Out : never

/** What a schema takes, where it says so (Standard Schema, which zod follows); else what it gives. */
export type SchemaInput<S> = S extends {
  readonly '~standard': { readonly types?: { readonly input: infer In } | undefined }
}
  ? In
  : SchemaOutput<S>

/** JSON of a type that the programmer vouches for. */
export function json<T = unknown>(): PayloadCodec<T>
/**
 * JSON that a schema checks: what comes, and what is sent, which costs a reading of it each time. So whatever leaves can
 * be read by whoever has the same schema.
 */
export function json<S extends Schema<unknown>>(schema: S): PayloadCodec<SchemaOutput<S>, SchemaInput<S>>
export function json(schema?: Schema<unknown>): PayloadCodec<unknown> {
  return {
    encode(value) {
      const encoded: string | undefined = JSON.stringify(value)
      if (encoded === undefined) throw new TypeError('This value has no JSON.')
      schema?.parse(JSON.parse(encoded))
      return encoded
    },
    decode(payload) {
      const value: unknown = JSON.parse(utf8.decode(payload))
      return schema === undefined ? value : schema.parse(value)
    },
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** UTF-8 text. */
export const text: PayloadCodec<string> = {
  encode: (value) => value,
  decode: (payload) => utf8.decode(payload),
}

/** The bytes as they are. What comes may share memory with other messages: copy what is kept for long. */
export const binary: PayloadCodec<Uint8Array> = {
  encode: (value) => value,
  decode: (payload) => payload,
}
