import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['__test__/**/*.spec.ts'],
    // The addon is native code: a process of its own for each file, so that a crash names its file.
    pool: 'forks',
    // They wait more than they work: with two cores there would be one at a time otherwise.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    globalSetup: ['scripts/vitest-setup.mjs'],
    // For specs whose tests run at once: they wait for sockets more than they work.
    maxConcurrency: 16,
    allowOnly: process.env.CI === undefined,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
})
