/** Control packets as bytes, written by hand: what a test sends must not depend on the codec that it tests. */

/** A packet with its Remaining Length. */
export function packet(firstByte: number, ...parts: (Uint8Array | readonly number[])[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)))
  const length: number[] = []
  let rest = body.length
  do {
    const byte = rest % 128
    rest = Math.floor(rest / 128)
    length.push(rest > 0 ? byte | 0x80 : byte)
  } while (rest > 0)
  return Buffer.concat([Buffer.from([firstByte, ...length]), body])
}

/** A UTF-8 Encoded String. */
export function string(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes])
}

/** CONNECT with Clean Start; 5.0 without properties. */
export function connect(clientId: string, version: 3 | 4 | 5 = 5, keepAliveSecs = 60): Buffer {
  const name = version === 3 ? 'MQIsdp' : 'MQTT'
  const head = [version, 0x02, keepAliveSecs >> 8, keepAliveSecs & 0xff]
  return packet(0x10, string(name), head, version === 5 ? [0] : [], string(clientId))
}

/** SUBSCRIBE to one filter. */
export function subscribe(topicFilter: string, qos: number, version: 3 | 4 | 5 = 5, packetId = 1): Buffer {
  return packet(0x82, [packetId >> 8, packetId & 0xff], version === 5 ? [0] : [], string(topicFilter), [qos])
}

/** PUBLISH with QoS 0. */
export function publish(topicName: string, payload: Uint8Array | string, version: 3 | 4 | 5 = 5): Buffer {
  return packet(0x30, string(topicName), version === 5 ? [0] : [], Buffer.from(payload as Uint8Array))
}

/** PUBLISH with QoS 1 or 2. */
export function publishWithId(
  topicName: string,
  payload: Uint8Array | string,
  qos: 1 | 2,
  packetId: number,
): Buffer {
  const id = [packetId >> 8, packetId & 0xff, 0]
  return packet(0x30 | (qos << 1), string(topicName), id, Buffer.from(payload as Uint8Array))
}
