// A worker: reads quotes and hands the newest of each symbol to the page, four times a second.
const SHOW_MS = 250
const newest = new Map()
let count = 0
let since = performance.now()

addEventListener('message', ({ data: { url, gate } }) => {
  const socket = new WebSocket(url)
  socket.onopen = () => postMessage({ state: 'reading' })
  socket.onclose = ({ code, reason }) => postMessage({ state: `closed: ${reason || code}` })
  socket.onmessage = ({ data }) => {
    // Stands still here for as long as the page says so.
    Atomics.wait(gate, 0, 1)
    const quote = JSON.parse(data)
    newest.set(quote.symbol, quote)
    count += 1
  }
})

setInterval(() => {
  const now = performance.now()
  const perSecond = Math.round((count * 1_000) / (now - since))
  postMessage({ perSecond, quotes: [...newest.values()] })
  newest.clear()
  count = 0
  since = now
}, SHOW_MS)
