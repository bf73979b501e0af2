import { broker } from './broker.js'
import { Presence } from './presence.js'
import { Room } from './room.js'

const element = (id) => document.getElementById(id)
const name = element('name')
name.value = localStorage.getItem('name') ?? `Guest ${Math.floor(Math.random() * 900) + 100}`

let room
const presence = await Presence.open(broker, showHere)

function enter(roomName) {
  room?.leave()
  element('messages').replaceChildren()
  for (const button of element('rooms').children) {
    button.ariaPressed = String(button.value === roomName)
  }
  room = new Room(broker, roomName, showMessage, (note) => {
    element('note').textContent = note
  })
  presence.say({ name: name.value, room: roomName })
}

/** Whatever others send goes in as text, never as HTML: `textContent` is all that escaping takes. */
function showMessage({ from, text, time }) {
  const line = document.createElement('li')
  const who = document.createElement('strong')
  const when = document.createElement('time')
  const what = document.createElement('p')
  who.textContent = from
  when.textContent = new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
  what.textContent = text
  line.append(who, when, what)
  element('messages').append(line)
  line.scrollIntoView({ block: 'nearest' })
}

function showHere(people) {
  const lines = people.map((person) => {
    const line = document.createElement('li')
    line.textContent = `${person.name} · ${person.room}`
    return line
  })
  element('here').replaceChildren(...lines)
}

element('rooms').onclick = ({ target }) => {
  if (target.value) enter(target.value)
}
name.onchange = () => {
  localStorage.setItem('name', name.value)
  presence.say({ name: name.value, room: room.name })
}
element('form').onsubmit = (event) => {
  event.preventDefault()
  const text = element('text').value.trim()
  if (text !== '' && room.send({ from: name.value, text, time: Date.now() })) element('text').value = ''
}

enter('kitchen')
