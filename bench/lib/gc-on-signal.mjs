/** Preloaded into a Node broker whose memory is to be read: SIGUSR2 collects garbage. Needs `--expose-gc`. */
process.on('SIGUSR2', () => globalThis.gc())
