import { broker } from './broker.js'

// The broker brings its own client: one connection for any number of topics, made again when it is lost.
const { connect } = await import(`${broker}/client.js`)
const client = connect()

const READINGS = 60
const rooms = new Map()

client.onstate = (state) => {
  document.getElementById('connection').textContent = state
}

// Both are retained: the page is complete as soon as it is open.
await client.subscribe('home/+/status', (message) => showStatus(roomOf(message), message.text()), { qos: 1 })
await client.subscribe('home/+/state', (message) => showState(roomOf(message), message.json()), { qos: 1 })

/** The card of the room that a topic names, made when it is first heard of. */
function roomOf({ topic }) {
  const name = topic.split('/')[1]
  const known = rooms.get(name)
  if (known) return known
  const card = document.getElementById('room').content.cloneNode(true).firstElementChild
  const find = (selector) => card.querySelector(selector)
  const room = { name, card, find, readings: [], time: 0, target: undefined }
  card.setAttribute('aria-label', name)
  find('h2').textContent = name
  find('.less').setAttribute('aria-label', `${name}: half a degree less`)
  find('.more').setAttribute('aria-label', `${name}: half a degree more`)
  find('.less').onclick = () => setTarget(room, room.target - 0.5)
  find('.more').onclick = () => setTarget(room, room.target + 0.5)
  rooms.set(name, room)
  const cards = [...rooms.values()].sort((a, b) => a.name.localeCompare(b.name)).map(({ card }) => card)
  document.getElementById('rooms').replaceChildren(...cards)
  return room
}

function showStatus({ card, find }, status) {
  card.classList.toggle('offline', status !== 'online')
  find('.status').textContent = status
}

function showState(room, { sequence, time, temperature, target, isHeating }) {
  // QoS 1: where the acknowledgement was lost with the connection, a reading comes twice.
  if (time <= room.time) return
  const { card, find, readings } = room
  room.time = time
  room.target = target
  card.dataset.sequence = sequence
  find('.degrees').textContent = `${temperature.toFixed(1)} °C`
  find('.target').textContent = `${target.toFixed(1)} °C`
  find('.heating').textContent = isHeating ? 'heating' : ''
  readings.push(temperature)
  if (readings.length > READINGS) readings.shift()
  const lowest = Math.min(...readings) - 0.2
  const range = Math.max(...readings) + 0.2 - lowest
  const points = readings.map(
    (y, x) => `${(x * 100) / (readings.length - 1 || 1)},${30 - ((y - lowest) * 30) / range}`,
  )
  find('polyline').setAttribute('points', points.join(' '))
}

/** Asks, and shows what is answered; where nobody is there to answer, the broker says so at once. */
async function setTarget({ name, find }, target) {
  const note = find('.note')
  try {
    const answer = (await client.request(`home/${name}/target`, String(target), { timeoutMs: 3000 })).json()
    note.textContent = answer.error ?? `set to ${answer.target.toFixed(1)} °C`
  } catch (error) {
    note.textContent = error.code === 'ERR_MQTT_NO_RESPONDER' ? 'out of reach' : error.message
  }
}
