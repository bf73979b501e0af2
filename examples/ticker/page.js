import { broker } from './broker.js'

const POINTS = 60
const element = (id) => document.getElementById(id)
const clientId = `ticker-${Math.random().toString(36).slice(2)}`
const topics = `${broker.replace('http', 'ws')}/topics/ticker`

// A page cannot stop reading a WebSocket, but a thread that stands still does not read: so there is one.
const gate = new Int32Array(new SharedArrayBuffer(4))
const reader = new Worker('reader.js')
reader.postMessage({ url: `${topics}/prices/+?clientId=${clientId}`, gate })
reader.onmessage = ({ data }) => show(data)

// What the broker has dropped for that reader comes by another connection, which is not slow.
new WebSocket(`${topics}/dropped/${clientId}`).onmessage = ({ data }) => {
  element('dropped').textContent = Number(data).toLocaleString('en')
}

element('slow').onclick = ({ target }) => {
  const isSlow = Atomics.load(gate, 0) === 0
  Atomics.store(gate, 0, isSlow ? 1 : 0)
  Atomics.notify(gate, 0)
  target.ariaPressed = String(isSlow)
  element('connection').textContent = isSlow ? 'not reading' : 'reading'
}

const symbols = new Map()

/** What has come since the last time: how many quotes, and the newest of each symbol. */
function show({ state, perSecond, quotes }) {
  if (state) element('connection').textContent = state
  if (perSecond !== undefined) element('rate').textContent = perSecond.toLocaleString('en')
  for (const { symbol, price, sequence } of quotes ?? []) {
    const { card, prices } = cardOf(symbol)
    card.dataset.sequence = sequence
    card.querySelector('.price').textContent = price.toFixed(2)
    prices.push(price)
    if (prices.length > POINTS) prices.shift()
    const lowest = Math.min(...prices)
    const range = Math.max(...prices) - lowest || 1
    const points = prices.map(
      (y, x) => `${(x * 100) / (prices.length - 1 || 1)},${30 - ((y - lowest) * 30) / range}`,
    )
    card.querySelector('polyline').setAttribute('points', points.join(' '))
  }
}

function cardOf(symbol) {
  const known = symbols.get(symbol)
  if (known) return known
  const card = element('symbol').content.cloneNode(true).firstElementChild
  card.querySelector('h2').textContent = symbol
  card.setAttribute('aria-label', symbol)
  element('symbols').append(card)
  const made = { card, prices: [] }
  symbols.set(symbol, made)
  return made
}
