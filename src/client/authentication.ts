/** Enhanced authentication from the client's side: what a method has to say, step by step. Section 4.12 of MQTT 5.0. */

/** One method. An object for each client: it may keep what it needs from one step to the next. */
export interface Authentication {
  /** The name that server and client know it by, such as `SCRAM-SHA-256`. */
  readonly method: string
  /** What goes with CONNECT, or with a re-authentication. Asked anew each time: an exchange that came before is over. */
  start(): Uint8Array | undefined | Promise<Uint8Array | undefined>
  /** The server's step, and the answer. Throwing ends the connection. */
  next(data: Buffer): Uint8Array | undefined | Promise<Uint8Array | undefined>
  /**
   * The server has agreed, in its CONNACK or AUTH: its last words, before anything else that it says is looked at.
   * Throwing, for a server that cannot prove itself, ends the connection.
   */
  finish?(data: Buffer | undefined): void
}
