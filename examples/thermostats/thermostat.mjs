// One thermostat: what it says, what it hears, and what becomes of it when its network is gone.
import { connect as dial } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { MqttClient } from 'topicwire'

const PERIOD_MS = 1_000
const LOWEST = 5
const HIGHEST = 30

export class Thermostat {
  #topic
  #client
  #socket
  #network = Promise.resolve()
  #temperature
  #target = 21
  #sequence = 0
  #timer

  constructor(room, port, temperature) {
    this.#topic = `home/${room}`
    this.#temperature = temperature
    // A stream for each connection; while there is no network, it waits.
    const stream = async () => {
      await this.#network
      this.#socket = dial(port, '127.0.0.1')
      return this.#socket
    }
    this.#client = new MqttClient(stream, {
      clientId: `thermostat-${room}`,
      reconnectPeriod: 200,
      // What the broker says for it when it is gone without a word.
      will: { topic: `${this.#topic}/status`, payload: 'offline', qos: 1, retain: true },
    })
    this.#client.on('connect', () => this.#say('status', 'online'))
    this.#client.on('error', ({ message }) => console.error(`${room}: ${message}`))
    // A command is a request: it is answered with what has become of it.
    this.#client.respond(`${this.#topic}/target`, (request) => this.#setTarget(request.text()))
    this.#timer = setInterval(() => this.#measure(), PERIOD_MS)
    this.#measure()
  }

  /** The connection breaks, and there is no other for so long. */
  loseNetwork(forMs) {
    this.#network = sleep(forMs)
    this.#socket?.destroy()
  }

  async end() {
    clearInterval(this.#timer)
    await this.#client.endAsync(true)
  }

  #setTarget(text) {
    const target = Number(text)
    if (text.trim() === '' || !(target >= LOWEST && target <= HIGHEST)) {
      return JSON.stringify({ error: `A target is a number from ${LOWEST} to ${HIGHEST}.` })
    }
    this.#target = target
    this.#measure()
    return JSON.stringify({ target })
  }

  #measure() {
    const isHeating = this.#temperature < this.#target
    this.#temperature += (isHeating ? 0.15 : -0.1) + (Math.random() - 0.5) * 0.1
    const temperature = Number(this.#temperature.toFixed(1))
    this.#sequence += 1
    // Its own time: what was measured without a network is sent, in its order, when there is one again. And a number,
    // so that whoever reads can see that none is missing.
    const state = {
      sequence: this.#sequence,
      time: Date.now(),
      temperature,
      target: this.#target,
      isHeating,
    }
    this.#say('state', JSON.stringify(state))
  }

  /** Retained, so that a page that is opened now knows at once; QoS 1, so that nothing is missing. */
  #say(what, payload) {
    this.#client.publish(`${this.#topic}/${what}`, payload, { qos: 1, retain: true })
  }
}
