/** One Network Connection of the harness: packets in and out, with MQTT.js's codec, so that none of our code is in it. */
import { createConnection } from 'node:net'
import mqttPacket from 'mqtt-packet'

export class Wire {
  #socket
  #options
  #isCorked = false
  #isOver = false

  /**
   * `onClose` is called once, whoever ends it, and nothing comes after it.
   * @param {{ port: number, version: 4 | 5, onPacket: (packet: object) => void, onError: (error: Error) => void, onClose: () => void }} settings
   */
  constructor({ port, version, onPacket, onError, onClose }) {
    this.#options = { protocolVersion: version }
    const parser = mqttPacket.parser(this.#options)
    parser.on('packet', onPacket)
    parser.on('error', onError)
    this.#socket = createConnection({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (chunk) => parser.parse(chunk))
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      if (this.#isOver) return
      this.#isOver = true
      onClose()
    })
  }

  /** What is sent in one turn leaves in one write. */
  send(packet) {
    if (this.#isOver) return
    if (!this.#isCorked) {
      this.#isCorked = true
      this.#socket.cork()
      setImmediate(() => {
        this.#isCorked = false
        this.#socket.uncork()
      })
    }
    this.#socket.write(mqttPacket.generate(packet, this.#options))
  }

  /** Cuts it, without a word. */
  cut() {
    this.#socket.destroy()
  }
}
