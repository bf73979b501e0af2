/** A peer whose frames are the payloads: a topic URL, or the bare WebSocket server. */
import { indexIn, type Peer, type PeerOptions } from './peer.js'
import { openWebSocket, type Pipe } from './pipe.js'
import { pathFor } from './ways.js'

export class PlainPeer implements Peer {
  readonly #pipe: Pipe

  private constructor(pipe: Pipe) {
    this.#pipe = pipe
  }

  static async open(options: PeerOptions): Promise<Peer> {
    const { way, place, topic, listens, onMessage, onClose } = options
    const pipe = await openWebSocket({ ...place, path: pathFor(way, place, topic) }, undefined, {
      onData: (data) => {
        if (listens) onMessage?.(indexIn(data))
      },
      onClose: () => onClose?.(),
    })
    return new PlainPeer(pipe)
  }

  publish(payload: Buffer): void {
    this.#pipe.send(payload.toString('latin1'))
  }

  together(work: () => void): void {
    this.#pipe.together(work)
  }

  end(): void {
    this.#pipe.end()
  }

  destroy(): void {
    this.#pipe.destroy()
  }
}
