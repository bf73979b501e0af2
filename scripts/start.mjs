/** `npm start`: brings the checkout up to date and becomes the command. `npm start -- -p 1999` passes flags on. */
import { pathToFileURL } from 'node:url'
import { ensure } from './ensure.mjs'
import { inRoot, main } from './lib/project.mjs'

await main(ensure)
if (process.exitCode === 0) await import(pathToFileURL(inRoot('dist', 'cli', 'main.js')).href)
