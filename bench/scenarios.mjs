/**
 * The loads of the bench, as data. `load` goes to the generator as it is (bench/loadgen/src/scenario.rs has every
 * key and its default); a load without `rate` is saturated. `frozen` adds so many subscribers to everything that never
 * read. `idle` holds connections instead.
 *
 * To add a load, add a row: the runner, the table and the results file need nothing else.
 */
export const scenarios = [
  { name: 'pair', title: 'one pair', load: {} },
  { name: 'pairs-100', title: '100 pairs', load: { groups: 100 } },
  { name: 'fan-out-100', title: '1 to 100', load: { subscribers: 100 } },
  { name: 'fan-in-100', title: '100 to 1 by wildcard', load: { publishers: 100, wildcard: true } },
  {
    name: 'sparse-1000',
    title: '1000 pairs at a fixed 20 k msg/s',
    load: { groups: 1000, rate: 20_000 },
  },
  { name: 'frozen', title: 'one pair, beside a subscriber that never reads', load: {}, frozen: 1 },
  {
    name: 'idle-10k',
    title: '10,000 idle connections, one subscription each',
    idle: { steps: [2_000, 10_000] },
  },
]
