/**
 * Subscribers that never read: they subscribe to everything with QoS 0, see that it was granted, and stop. What a
 * broker sends them piles up first in the kernel's socket buffers and then wherever the broker lets it.
 */
import { once } from 'node:events'
import { connect } from 'node:net'

/** CONNECT of 3.1.1 with a clean session, no keep alive and this client identifier of up to 100 letters. */
function connectPacket(clientId) {
  const id = Buffer.from(clientId)
  const body = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, id.length, ...id])
  return Buffer.from([0x10, body.length, ...body])
}

/** SUBSCRIBE to `#` with QoS 0. */
const subscribePacket = Buffer.from([0x82, 6, 0, 1, 0, 1, 0x23, 0])
/** CONNACK and SUBACK together. */
const answerBytes = 4 + 5

/** Opens them, and gives a function that closes them. */
export async function freeze(port, count) {
  const sockets = []
  for (let number = 0; number < count; number++) {
    const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {})
    await once(socket, 'connect')
    socket.write(Buffer.concat([connectPacket(`frozen-${number}`), subscribePacket]))
    let received = 0
    while (received < answerBytes) received += (await once(socket, 'data'))[0].length
    socket.pause()
    sockets.push(socket)
  }
  return () => {
    for (const socket of sockets) socket.destroy()
  }
}
