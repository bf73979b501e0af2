import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['__test__/**/*.spec.ts'],
    // The addon is native code: a process of its own for each file, so that a crash names its file.
    pool: 'forks',
    globalSetup: ['scripts/vitest-setup.mjs'],
    // For specs whose tests run at once: they wait for sockets more than they work.
    maxConcurrency: 16,
    allowOnly: process.env.CI === undefined,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
})
