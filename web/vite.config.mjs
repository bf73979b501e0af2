/** Builds the broker's page into dist/page: `node scripts/ensure.mjs --only=page --rebuild`. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: '/page/',
  // It would say that the browser module asks for its own address when it runs, which is not what the page does.
  logLevel: 'error',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: fileURLToPath(new URL('../dist/page', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    // Nothing may become a data: address: the page's Content-Security-Policy knows none.
    assetsInlineLimit: 0,
    assetsDir: '.',
    modulePreload: { polyfill: false },
  },
})
