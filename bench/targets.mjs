/**
 * What the product is to reach, as data: a floor (`must`) and what we are here for (`aim`), each a ratio of our figure
 * to somebody else's in the same run, or an absolute figure of ours.
 *
 * `figure` names a quantity of bench/lib/summary.mjs and `loads` the rows of bench/scenarios.mjs that give it; `part`
 * names a figure of bench/lib/parts.mjs, which reads what the benches of the parts wrote. `better` says whether more
 * or less of it is better; a speed-up of a part is always better when it is more.
 */

/** An opponent that runs with several settings is the one of them that does best against us. */
export const opponents = {
  mosquitto: ['mosquitto'],
  aedes: ['aedes', 'aedes-lag-1k'],
}

export const targets = [
  {
    row: 1,
    what: 'messages a second, QoS 0, 64 B',
    figure: 'perSecond',
    loads: ['pair', 'pairs-100', 'fan-out-100', 'fan-in-100'],
    better: 'more',
    against: { mosquitto: { must: 12, aim: 25 }, aedes: { must: 20, aim: 40 } },
  },
  {
    row: 2,
    what: 'messages a second',
    figure: 'perSecond',
    loads: ['qos1-pair', 'qos1-pairs-100'],
    better: 'more',
    against: { mosquitto: { must: 6, aim: 15 }, aedes: { must: 8, aim: 20 } },
  },
  {
    row: 3,
    what: 'messages a second',
    figure: 'perSecond',
    loads: ['qos2-pair', 'qos2-pairs-100'],
    better: 'more',
    against: { mosquitto: { must: 8, aim: 20 }, aedes: { must: 12, aim: 30 } },
  },
  {
    row: 4,
    what: 'bytes a second',
    figure: 'bytesPerSecond',
    loads: ['payload-4k', 'payload-64k'],
    better: 'more',
    against: { mosquitto: { must: 2, aim: 4 } },
  },
  {
    row: 5,
    what: 'CPU of the broker for each message',
    figure: 'cpuMicros',
    loads: ['sparse-1000'],
    better: 'less',
    against: { mosquitto: { must: 1.1, aim: 0.9 }, aedes: { must: 0.75, aim: 0.6 } },
  },
  {
    row: 6,
    what: 'CPU of the broker for each delivery',
    figure: 'cpuMicros',
    loads: ['sparse-fan-out'],
    better: 'less',
    against: { mosquitto: { must: 0.8, aim: 0.5 } },
  },
  {
    row: 7,
    what: 'latency, p50',
    figure: 'p50',
    loads: ['latency-100'],
    better: 'less',
    against: { mosquitto: { must: 1.1, aim: 0.95 }, aedes: { must: 0.9, aim: 0.8 } },
  },
  {
    row: 7,
    what: 'latency, p99',
    figure: 'p99',
    loads: ['latency-100'],
    better: 'less',
    against: { mosquitto: { must: 1.5, aim: 1 }, aedes: { must: 0.5, aim: 0.3 } },
  },
  {
    row: 8,
    what: 'resident memory for each connection',
    figure: 'bytesPerConnection',
    loads: ['idle-10k'],
    better: 'less',
    absolute: { must: 8 * 1024, aim: 6 * 1024, unit: 'KiB' },
  },
  {
    row: 8,
    what: 'resident memory for each connection',
    figure: 'bytesPerConnection',
    loads: ['idle-10k-ws'],
    better: 'less',
    absolute: { must: 14 * 1024, aim: 10 * 1024, unit: 'KiB' },
  },
  {
    row: 9,
    what: 'connections a second',
    figure: 'perSecond',
    loads: ['connect-rate'],
    better: 'more',
    against: { aedes: { must: 2, aim: 3 }, mosquitto: { must: 0.25, aim: 0.4 } },
  },
  {
    row: 10,
    what: 'retained messages a second',
    figure: 'perSecond',
    loads: ['retained-all'],
    better: 'more',
    against: { mosquitto: { must: 1.5, aim: 3 } },
  },
  {
    row: 10,
    what: 'time to the last retained message',
    figure: 'answerMicros',
    loads: ['retained-few'],
    better: 'less',
    absolute: { must: 200, aim: 50, unit: 'µs' },
  },
  {
    row: 11,
    what: 'messages a second',
    figure: 'perSecond',
    loads: ['ws-pairs-10', 'ws-pairs-10-single'],
    better: 'more',
    againstLoad: { name: 'pairs-10', says: 'our own TCP', must: 0.4, aim: 0.8 },
    against: { mosquitto: { must: 2, aim: 6 }, aedes: { must: 15, aim: 40 } },
  },
  {
    row: 12,
    what: 'PUBLISH 64 B decoded in Rust',
    part: 'rumqttc decode',
    says: 'rumqttc',
    better: 'more',
    must: 5,
    aim: 10,
  },
  {
    row: 12,
    what: 'PUBLISH 64 B encoded in Rust',
    part: 'rumqttc encode',
    says: 'rumqttc',
    better: 'more',
    must: 5,
    aim: 10,
  },
  {
    row: 17,
    what: 'messages a second',
    figure: 'perSecond',
    loads: ['hook-pair'],
    better: 'more',
    against: { aedes: { must: 3, aim: 6 } },
  },
]
