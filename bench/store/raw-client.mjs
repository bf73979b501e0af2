/** An MQTT 3.1.1 client of few bytes, for loads of millions of messages at QoS 1. */
import { once } from 'node:events'
import { createConnection } from 'node:net'

const text = (value) => {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
}

function packet(firstByte, ...parts) {
  const body = Buffer.concat(parts)
  const length = []
  for (let rest = body.length; ; ) {
    const byte = rest % 128
    rest = Math.floor(rest / 128)
    length.push(rest > 0 ? byte | 128 : byte)
    if (rest === 0) return Buffer.concat([Buffer.from([firstByte, ...length]), body])
  }
}

/** A connection of a Session that stays (Clean Session 0). `packets` are handled by `on(type, packetId)`. */
export class RawClient {
  #socket
  #rest = Buffer.alloc(0)
  #waiting = []

  static async connect(port, clientId, on = () => {}) {
    const client = new RawClient()
    client.#socket = createConnection({ port, host: '127.0.0.1', noDelay: true })
    client.#socket.on('data', (chunk) => client.#read(chunk, on))
    client.#socket.on('error', () => {})
    await once(client.#socket, 'connect')
    const flags = Buffer.from([4, 0, 0, 0])
    client.#socket.write(packet(0x10, text('MQTT'), flags, text(clientId)))
    await client.#answer(2)
    return client
  }

  async subscribe(filter) {
    this.#socket.write(packet(0x82, Buffer.from([0, 1]), text(filter), Buffer.from([1])))
    await this.#answer(9)
  }

  /** A PUBLISH at QoS 1, to be written with others. */
  static publish(topic, payload, packetId, retain = false) {
    const id = Buffer.from([packetId >> 8, packetId & 255])
    return packet(retain ? 0x33 : 0x32, text(topic), id, payload)
  }

  write(bytes) {
    this.#socket.write(bytes)
  }

  acknowledge(packetIds) {
    this.#socket.write(Buffer.concat(packetIds.map((id) => Buffer.from([0x40, 2, id >> 8, id & 255]))))
  }

  async close() {
    this.#socket.end(packet(0xe0))
    await once(this.#socket, 'close')
  }

  destroy() {
    this.#socket.destroy()
  }

  #answer(type) {
    return new Promise((resolve) => this.#waiting.push({ type, resolve }))
  }

  #read(chunk, on) {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    let at = 0
    const taken = []
    while (at + 2 <= bytes.length) {
      let length = 0
      let head = at + 1
      for (let shift = 0; head < bytes.length; shift += 7) {
        const byte = bytes[head]
        head += 1
        length |= (byte & 127) << shift
        if (byte < 128) break
      }
      if (bytes[head - 1] >= 128 || head + length > bytes.length) break
      const type = bytes[at] >> 4
      if (type === 3) {
        const topicLength = bytes.readUInt16BE(head)
        taken.push(bytes.readUInt16BE(head + 2 + topicLength))
      } else if (type === 4) on('puback', bytes.readUInt16BE(head))
      const waiting = this.#waiting.findIndex((one) => one.type === type)
      if (waiting >= 0) this.#waiting.splice(waiting, 1)[0].resolve()
      at = head + length
    }
    this.#rest = bytes.subarray(at)
    if (taken.length > 0) {
      this.acknowledge(taken)
      on('publish', taken.length)
    }
  }
}
