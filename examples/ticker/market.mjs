// A market that somebody made up: prices that walk at random, with the best offers on both sides.
const SYMBOLS = [
  'ACME',
  'BOLT',
  'CRUX',
  'DUNE',
  'ECHO',
  'FLUX',
  'GLOW',
  'HALO',
  'IRIS',
  'JADE',
  'KITE',
  'LYNX',
]
const OFFERS = 60

export class Market {
  #sequence = 0
  #prices = new Map(SYMBOLS.map((symbol, index) => [symbol, 40 + index * 15]))

  /** A quote for each symbol. Its sequence number only grows. */
  step() {
    this.#sequence += 1
    return SYMBOLS.map((symbol) => {
      const price = this.#prices.get(symbol) * (1 + (Math.random() - 0.5) / 500)
      this.#prices.set(symbol, price)
      return {
        sequence: this.#sequence,
        symbol,
        price: cents(price),
        bids: side(price, -1),
        asks: side(price, 1),
      }
    })
  }
}

function side(price, sign) {
  return Array.from({ length: OFFERS }, (_, level) => [
    cents(price + (sign * (level + 1)) / 100),
    Math.ceil(Math.random() * 900),
  ])
}

function cents(price) {
  return Number(price.toFixed(2))
}
