/**
 * A topic as a WebSocket URL: the frames of one WebSocket are the payloads of one topic. How `/topics/...` and its
 * query are read is src/http/topic-request.ts; how a close looks to a browser is close-code.ts.
 *
 * Payloads that are UTF-8 go out as text frames, so that `event.data` is a string where a string makes sense, and all
 * others as binary frames. Frames of both kinds come in as payloads.
 */
import type { Payload } from './frame.js'
import type { PayloadTransport, TransportSink } from './transport.js'
import { WebSocketPipe } from './websocket.js'

/** See `PayloadTransport`. */
export class TopicUrlTransport extends WebSocketPipe implements PayloadTransport {
  readonly protocol = 'topic'

  write(payloads: readonly Payload[]): boolean {
    return this.sendAll(payloads)
  }

  protected receive(sink: TransportSink, data: Buffer): void {
    sink.receive(data)
  }
}
