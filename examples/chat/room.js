// A room is a topic, and a topic is a WebSocket: what is sent is published, what is published comes.
const AGAIN_MS = 1_000

export class Room {
  #url
  #socket
  #onMessage
  #onNote
  #hasLeft = false
  #timer

  constructor(broker, name, onMessage, onNote) {
    this.name = name
    this.#url = `${broker.replace('http', 'ws')}/topics/chat/rooms/${encodeURIComponent(name)}`
    this.#onMessage = onMessage
    this.#onNote = onNote
    this.#open('')
  }

  /** Whether it is on its way. */
  send(message) {
    if (this.#socket.readyState !== WebSocket.OPEN) return false
    this.#socket.send(JSON.stringify(message))
    return true
  }

  leave() {
    this.#hasLeft = true
    clearTimeout(this.#timer)
    this.#socket.close()
  }

  #open(query) {
    this.#socket = new WebSocket(this.#url + query)
    this.#socket.onopen = () => this.#onNote(`in ${this.name}`)
    this.#socket.onmessage = ({ data }) => {
      const message = this.#hasLeft ? undefined : read(data)
      if (message) this.#onMessage(message)
    }
    this.#socket.onclose = ({ reason }) => {
      if (this.#hasLeft) return
      this.#onNote(`the connection is lost${reason ? `: ${reason}` : ''}`)
      // The last word is on the page already.
      this.#timer = setTimeout(() => this.#open('?retained=false'), AGAIN_MS)
    }
  }
}

/** Anybody can publish anything there: what is no message of ours is passed over. */
function read(data) {
  try {
    const { from, text, time } = JSON.parse(data)
    const isMessage = typeof from === 'string' && typeof text === 'string' && Number.isFinite(time)
    return isMessage ? { from, text, time } : undefined
  } catch {
    return undefined
  }
}
