/**
 * What goes wrong between a client and a broker, once: a code that never changes, how it looks, how it is found out and
 * what helps. `topicwire doctor` has a check for each row (src/cli/doctor/checks); where the broker meets the same from its
 * side, its log names the row (src/listeners/advice.ts). docs/doctor.md shows the table, and a test compares the two.
 */

/** One thing that goes wrong. */
export interface Knowledge {
  /** Stable, for programs. */
  readonly code: string
  /** What the check is called, in a few words. */
  readonly title: string
  /** What somebody sees who has it. */
  readonly symptom: string
  /** How it is found out. */
  readonly detection: string
  /** What helps, in general. A check that knows more says that instead. */
  readonly remedy: string
}

export const knowledge = [
  {
    code: 'websocket-at-mqtt-port',
    title: 'WebSocket to a port for MQTT',
    symptom: 'a page or `ws://` URL goes to the port for MQTT, and the connection is closed without a word',
    detection: 'sends the beginning of HTTP, of MQTT and of TLS, and sees which is answered',
    remedy:
      "Use the server's port for WebSockets (often 8083, 8080 or 9001); the port for MQTT is for mqtt://.",
  },
  {
    code: 'scheme',
    title: 'right protocol for the port',
    symptom: '`mqtt://` to a port for WebSockets or HTTP, TLS to a port without it, or the other way round',
    detection: 'the same three beginnings; the greeting of another protocol is recognised',
    remedy: 'Use the URL that fits the port: mqtt://, mqtts://, ws:// or wss://.',
  },
  {
    code: 'websocket-path',
    title: 'path of the WebSocket',
    symptom: 'the WebSocket handshake is answered with 404, 426 or a page',
    detection:
      'asks for a WebSocket at the given path, and where that fails at `/mqtt`, `/`, `/ws` and `/mqtt/`',
    remedy: 'Give the path that the server has for MQTT: /mqtt with most brokers, / with some.',
  },
  {
    code: 'subprotocol',
    title: 'WebSocket subprotocol',
    symptom: 'the handshake succeeds, and the client ends the connection all the same',
    detection: 'offers `mqtt`, and looks for exactly that in the answer',
    remedy:
      'Have the proxy pass the header Sec-WebSocket-Protocol on in both directions; a server that does not answer it is not one for MQTT.',
  },
  {
    code: 'loopback-only',
    title: 'reachable from other machines',
    symptom: 'refused from other machines or from outside a container, and all is well on the machine itself',
    detection: 'on the machine of the server: tries 127.0.0.1 and the addresses in the network',
    remedy:
      'Have it listen on every address (topicwire: --host 0.0.0.0 with users; Mosquitto: listener 1883 0.0.0.0); a container needs its port published (-p 1883:1883).',
  },
  {
    code: 'address-family',
    title: 'IPv4 and IPv6',
    symptom: 'it works with 127.0.0.1 and not with `localhost`, which is `::1` first',
    detection: 'tries each address of the name; for a loopback address also that of the other family',
    remedy: 'Connect to the address that answers, or have the server listen on both families.',
  },
  {
    code: 'network',
    title: 'name and network',
    symptom: 'unknown host, *connection refused*, or nothing for a long time',
    detection: 'looks the name up and connects: a refusal, silence and an unknown name are three things',
    remedy: 'Check name and port; open the port in the firewall or security group where nothing answers.',
  },
  {
    code: 'certificate-authority',
    title: 'authority of the certificate',
    symptom: '*self-signed certificate*, *unable to verify the first certificate*',
    detection: 'a TLS handshake; the chain that the server sends is checked against what this machine trusts',
    remedy:
      'Give the authority with --cafile (programs: ca, NODE_EXTRA_CA_CERTS), and have the server send its whole chain; do not switch the check off.',
  },
  {
    code: 'certificate',
    title: 'name and dates of the certificate',
    symptom: '*Hostname/IP does not match*, *certificate has expired*, *not yet valid*',
    detection:
      'the names and dates in the certificate against the host of the URL and the clock of this machine',
    remedy: 'Connect by a name that is in the certificate, renew it, or set the clock.',
  },
  {
    code: 'client-certificate',
    title: 'client certificate, ALPN and SNI',
    symptom: 'the connection is cut during or right behind the TLS handshake',
    detection: 'the alert with which the server ends TLS',
    remedy: "Give this client's certificate and its key: --cert and --key.",
  },
  {
    code: 'mixed-content',
    title: 'page over https, WebSocket without',
    symptom: '*Mixed Content* in the console of a browser; a page with `mqtt://` in it',
    detection: 'with `--page`: the scheme of the page against that of the URL, and its host',
    remedy:
      'A page from https:// needs wss://: give the server a certificate, or put it behind a proxy that has one.',
  },
  {
    code: 'local-network',
    title: 'public page, private server',
    symptom: 'Chrome asks whether a page may reach devices in the local network, or a page may not at all',
    detection: 'with `--page`: whether the page is on a public address and the server on a private one',
    remedy:
      'Allow it where the browser asks, or serve the page from the same network, over https:// or from this machine.',
  },
  {
    code: 'origin',
    title: 'origin of the page',
    symptom: 'the handshake is answered with 403; or every web site may connect',
    detection: 'asks for a WebSocket as a page of another origin does (that of `--page`)',
    remedy:
      'Add the origin to allowedOrigins (Mosquitto: websockets_origin); without that header any site may connect.',
  },
  {
    code: 'idle',
    title: 'connection without traffic',
    symptom:
      'connections end after a minute without messages: 60 s with nginx and load balancers, 100 s with Cloudflare',
    detection: 'with `--idle`: holds a connection on which nothing is said, and takes the time of its end',
    remedy:
      'Set a keep alive below the time-out of the proxy (45 s for 60), or raise that (nginx: proxy_read_timeout).',
  },
  {
    code: 'background-tab',
    title: 'tabs in the background',
    symptom: 'a page loses its connection when its tab is in the background for some minutes',
    detection: 'with `--page`: whether the keep alive in force survives timers that run once a minute',
    remedy: 'Use a keep alive of 120 s or more, or run the client in a worker, where timers go on.',
  },
  {
    code: 'client-id',
    title: 'client id used twice',
    symptom: 'two programs connect again and again by turns',
    detection: 'with `--client-id`: connects as that client, and sees whether it is thrown out by another',
    remedy: 'Give each client an id of its own, or none.',
  },
  {
    code: 'version',
    title: 'versions of MQTT',
    symptom: '*unsupported protocol version*: 1 in 3.1.1, 0x84 in 5.0',
    detection: 'connects with 5.0, 3.1.1 and 3.1',
    remedy: 'Use a version that the server has (-V), or a newer server.',
  },
  {
    code: 'log-in',
    title: 'user and password',
    symptom: '*bad user name or password* (4, 0x86), *not authorized* (5, 0x87)',
    detection: 'connects as told, and where that works without a user as well',
    remedy: 'Check user name and password (-u, -P); the log of the server says which rule refused.',
  },
  {
    code: 'permissions',
    title: 'publish and subscribe permissions',
    symptom:
      'the server says that all is well, and nothing arrives: MQTT 3.1.1 has no word for a denied message',
    detection:
      'subscribes and publishes a canary, and waits for it; 5.0 says with a Reason Code what it denies',
    remedy: 'Check the access rules of the server for this user and topic.',
  },
  {
    code: 'qos',
    title: 'quality of service',
    symptom: 'messages arrive with a lower QoS than they were sent with',
    detection: 'asks for QoS 2 and compares what is announced, granted and delivered',
    remedy: 'A message has the lower QoS of publisher and subscription, and no more than the server allows.',
  },
  {
    code: 'session',
    title: 'session that outlives its connection',
    symptom: 'messages from the time away are missing',
    detection: 'leaves a session behind for a moment and looks whether it is still there',
    remedy:
      'Use a fixed client id, no clean session (5.0: a Session Expiry Interval), and QoS 1 on both sides.',
  },
  {
    code: 'near-miss',
    title: 'topic filter',
    symptom: 'subscribed, and nothing arrives: capitals, a leading `/`, `+` within a level, `#` for `$SYS`',
    detection: 'with `--topic`: listens to all topics for a moment, and looks for the nearest',
    remedy: 'Subscribe to the topic as it is published, character by character.',
  },
  {
    code: 'packet-size',
    title: 'large messages',
    symptom: 'the connection ends when a large message is sent',
    detection: 'the limit that the server announces, and a canary of `--size` bytes',
    remedy:
      'Send less, or raise the limit: maximumPacketSizeBytes (Mosquitto: max_packet_size), and that of a proxy in between.',
  },
  {
    code: 'retained',
    title: 'retained messages',
    symptom: 'an old message comes first, or retained messages are not kept',
    detection: 'retains a canary, fetches it and clears it; with `--topic` lists what is retained there',
    remedy: 'Clear it with an empty retained message: topicwire pub -r -n -t TOPIC.',
  },
  {
    code: 'slow-consumer',
    title: 'slow consumers',
    symptom: 'messages are missing under load',
    detection: 'reads the count of dropped messages in `$SYS`, and times the canary',
    remedy:
      'Have the subscriber do less per message or share the work ($share/…); raise the limits of its queue (maximumQueuedMessages, maximumOutBufferBytes).',
  },
  {
    code: 'open-files',
    title: 'limit of open files',
    symptom: '*EMFILE*, *too many open files*, connections that are not accepted',
    detection:
      'reads the limit of this process and, on Linux, of the server on this machine and how much it uses',
    remedy: 'Raise it where the server is started: ulimit -n 65536, with systemd LimitNOFILE=65536.',
  },
  {
    code: 'native-addon',
    title: 'native addon',
    symptom: 'topicwire does not start, or speaks of a binding that is missing',
    detection: 'loads it, and reads what the loader says',
    remedy: 'Install again on this machine: npm install --include=optional.',
  },
  {
    code: 'port',
    title: 'who has the port',
    symptom: '*EADDRINUSE*, *another program already listens*',
    detection:
      'on the machine of the server: tries to bind the port where nobody answers, and on Linux names the process that has it',
    remedy: 'Stop the other program (systemctl stop mosquitto), or choose another port with -p.',
  },
] as const satisfies readonly Knowledge[]

/** The code of a row. */
export type KnowledgeCode = (typeof knowledge)[number]['code']

const rows: ReadonlyMap<string, Knowledge> = new Map(knowledge.map((row) => [row.code, row]))

export function knowledgeOf(code: KnowledgeCode): Knowledge {
  const row = rows.get(code)
  if (row === undefined) throw new Error(`There is no row ${code}.`)
  return row
}
