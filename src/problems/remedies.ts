/** The codes of problems, and what helps against each: one sentence for the operator. */

const table = {
  wrongProtocol:
    "Give the client an address that speaks what it speaks: the broker's front page and its start-up lines list them.",
  tlsHandshake:
    'Check that the client trusts the authority of this certificate, that the certificate names the host it connects to, and both clocks.',
  originRefused:
    'If the page is yours, add its origin to the option allowedOrigins; if it is not, nothing is to be done.',
  badCredentials: 'Correct the user name and password of the client, or add the user with topicwire passwd.',
  connectNotAuthorized: 'See what authenticate says about this client, or the users of the configuration.',
  clientIdRefused:
    'Give the client a shorter, valid client identifier, or none: then the broker chooses one.',
  versionNotSupported: 'Set the client to MQTT 5.0, 3.1.1 or 3.1.',
  connectRefused: 'Correct what the client says in its CONNECT.',
  publishDenied:
    'Allow it in authorizePublish, or correct the topic in the client; QoS 0 and 3.1.1 publishers are not told.',
  subscribeDenied: 'Allow it in authorizeSubscribe, or correct the topic filter in the client.',
  takeOverLoop:
    'Give each client an identifier of its own; two that share one throw each other out as often as they reconnect.',
  outBufferFull:
    'The subscriber reads more slowly than messages come: subscribe to less, use QoS 1, or raise maximumOutBufferBytes.',
  queueFull:
    'The subscriber is away, or acknowledges too slowly: bring it back, let its session expire, or raise maximumQueuedMessages.',
  messageTooLarge:
    'Raise the Maximum Packet Size that the subscriber announces, or publish smaller messages.',
  receiveMaximumExceeded:
    'Let the client wait for acknowledgements, or set receiveMaximumPolicy to tolerant until it does.',
  quotaExceeded: 'Raise the limit that is named, or let the client ask for less.',
  protocolError: 'Update the client library: it has sent what MQTT does not allow.',
  keepAliveTimeout:
    'Look for a lost network, a proxy that drops idle connections, or a sleeping device; a keep alive below 60 s passes most proxies.',
  tooManyConnections:
    'Raise maximumConnections and the open files of the process (ulimit -n), or find who opens so many.',
  acceptFailed: 'Raise the open files of the process (ulimit -n), or close what is not needed.',
  storeTrouble: 'Look at the disk of the store: its space, its permissions and its health.',
} as const

/** What went wrong, in one word. */
export type ProblemCode = keyof typeof table

/** What helps, by code. */
export const remedies: Readonly<Record<ProblemCode, string>> = table
