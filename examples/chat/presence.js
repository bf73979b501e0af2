// Who is here: a retained message for each page, which the page's will takes away. A topic URL has no will, so this
// connection is one on /live.

export class Presence {
  #client
  #topic
  #said
  #people = new Map()
  #onChange

  static async open(broker, onChange) {
    const { connect } = await import(`${broker}/client.js`)
    const presence = new Presence(connect, onChange)
    await presence.#client.subscribe('chat/here/+', (message) => presence.#heard(message), { qos: 1 })
    return presence
  }

  constructor(connect, onChange) {
    this.#onChange = onChange
    const clientId = `chat-${Math.random().toString(36).slice(2)}`
    this.#topic = `chat/here/${clientId}`
    // An empty retained message takes the one before it away.
    const will = { topic: this.#topic, payload: '', qos: 1, retain: true }
    this.#client = connect({ clientId, will, sessionExpiryIntervalSecs: 0 })
    // The will may have been published while this page was only out of reach.
    this.#client.onstate = (state) => {
      if (state === 'connected' && this.#said) this.say(this.#said)
    }
  }

  /** Tells everybody, and those who come later. */
  say(person) {
    this.#said = person
    return this.#client.publish(this.#topic, person, { retain: true })
  }

  #heard(message) {
    const text = message.text()
    this.#people.delete(message.topic)
    if (text !== '') this.#add(message.topic, text)
    this.#onChange([...this.#people.values()].sort((a, b) => a.name.localeCompare(b.name)))
  }

  #add(topic, text) {
    try {
      const { name, room } = JSON.parse(text)
      if (typeof name === 'string' && typeof room === 'string') this.#people.set(topic, { name, room })
    } catch {
      // Not one of ours.
    }
  }
}
