/** Aedes with the persistence that writes to disk: `node scripts/kill/aedes.mjs <port> <directory>`. */
import { createServer } from 'node:net'
import { Aedes } from 'aedes'
import levelPersistence from 'aedes-persistence-level'
import { Level } from 'level'

const [port, directory] = process.argv.slice(2)
const database = new Level(directory)
const aedes = await Aedes.createBroker({ persistence: levelPersistence(database) })
const server = createServer({ noDelay: true }, aedes.handle)
server.listen(Number(port), '127.0.0.1')

process.once('SIGTERM', () => {
  server.close()
  aedes.close(() => database.close(() => process.exit(0)))
})
