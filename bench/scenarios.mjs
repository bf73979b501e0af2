/**
 * The loads of the bench, as data. What the generator gets stands under one of four keys, as it is
 * (bench/loadgen/src/scenario.rs has every key and its default):
 *
 * - `load`: publishers and subscribers; one without `rate` is saturated;
 * - `idle`: connections that only stay;
 * - `connects`: clients that come and go at once;
 * - `retained`: retained messages, and subscriptions that ask for them.
 *
 * `frozen` adds so many subscribers to everything that never read. `hook` starts the broker with a hook in JavaScript
 * that is asked about every message. To add a load, add a row: the runner, the table and the results file need nothing
 * else.
 */

/** A broker that bounds what waits for a connection (ours: 4 MiB by default) drops QoS 0 beyond it, as it should. */
const withinOutBuffer = 3 << 20

export const scenarios = [
  { name: 'pair', title: 'one pair', load: {} },
  { name: 'pairs-10', title: '10 pairs', load: { groups: 10 } },
  { name: 'pairs-100', title: '100 pairs', load: { groups: 100 } },
  { name: 'fan-out-100', title: '1 to 100', load: { subscribers: 100 } },
  { name: 'fan-in-100', title: '100 to 1 by wildcard', load: { publishers: 100, wildcard: true } },
  { name: 'qos1-pair', title: 'QoS 1, window 100: one pair', load: { qos: 1 } },
  { name: 'qos1-pairs-100', title: 'QoS 1, window 100: 100 pairs', load: { qos: 1, groups: 100 } },
  { name: 'qos2-pair', title: 'QoS 2, window 100: one pair', load: { qos: 2 } },
  { name: 'qos2-pairs-100', title: 'QoS 2, window 100: 100 pairs', load: { qos: 2, groups: 100 } },
  {
    name: 'payload-4k',
    title: 'one pair, payloads of 4 KiB',
    load: { payloadBytes: 4 << 10, lagBytes: withinOutBuffer },
  },
  {
    name: 'payload-64k',
    title: 'one pair, payloads of 64 KiB',
    load: { payloadBytes: 64 << 10, lagBytes: withinOutBuffer },
  },
  {
    name: 'sparse-1000',
    title: '1000 pairs at a fixed 20 k msg/s',
    load: { groups: 1000, rate: 20_000 },
  },
  {
    name: 'sparse-fan-out',
    title: 'one message to 1000 subscribers, 20 times a second',
    load: { subscribers: 1000, rate: 20 },
  },
  { name: 'latency-100', title: '100 pairs at a fixed 20 k msg/s', load: { groups: 100, rate: 20_000 } },
  {
    name: 'ws-pairs-10',
    title: '10 pairs over WebSocket',
    load: { groups: 10, transport: 'websocket' },
  },
  {
    name: 'ws-pairs-10-single',
    title: '10 pairs over WebSocket, publishers with a packet in each frame',
    load: { groups: 10, transport: 'websocket', packetsPerFrame: 1 },
  },
  { name: 'hook-pair', title: 'one pair, a hook asked about every message', load: {}, hook: true },
  { name: 'frozen', title: 'one pair, beside a subscriber that never reads', load: {}, frozen: 1 },
  {
    name: 'connect-rate',
    title: 'clients that connect and leave at once, 100 at a time',
    connects: { atATime: 100 },
  },
  {
    name: 'retained-all',
    title: 'a subscription to everything, 100,000 retained messages',
    retained: { messages: 100_000, subscriptions: 5 },
  },
  {
    name: 'retained-few',
    title: 'subscriptions that hit 10 of 1,000,000 retained messages',
    retained: { messages: 1_000_000, hits: 10, subscriptions: 1_000 },
  },
  {
    name: 'idle-10k',
    title: '10,000 idle connections, one subscription each',
    idle: { steps: [2_000, 10_000] },
  },
  {
    name: 'idle-10k-ws',
    title: '10,000 idle connections over WebSocket, one subscription each',
    idle: { steps: [2_000, 10_000], transport: 'websocket' },
  },
]

const thousand = 1_000

/**
 * How cost grows: the same load with more clients (half publish, half subscribe), as fast as it goes and at a fixed
 * rate, and one pair beside more and more subscriptions that its messages do not match. `x` is what grows.
 */
export const growth = [
  ...[10, 100, thousand, 10 * thousand].flatMap((clients) => [
    {
      name: `grow-clients-${clients}`,
      title: `${clients} clients in pairs`,
      curve: 'clients',
      x: clients,
      load: { groups: clients / 2 },
    },
    {
      name: `grow-clients-fixed-${clients}`,
      title: `${clients} clients in pairs, a fixed 20 k msg/s`,
      curve: 'clients-fixed',
      x: clients,
      load: { groups: clients / 2, rate: 20_000 },
    },
  ]),
  ...[100, thousand, 10 * thousand, 100 * thousand, thousand * thousand].map((subscriptions) => ({
    name: `grow-subscriptions-${subscriptions}`,
    title: `one pair beside ${subscriptions} subscriptions`,
    curve: 'subscriptions',
    x: subscriptions,
    load: { backgroundSubscriptions: subscriptions },
  })),
]

/**
 * Clients that come and go under load, at every QoS, with clean and with persistent sessions: `rate` and `seconds` are
 * for the caller to set.
 */
export const soak = {
  name: 'soak',
  title: '100 pairs at all QoS, clients coming and going',
  churn: { pairs: 100, rate: 20_000, leavesPerSecond: 20, awaySeconds: 0.2 },
}
