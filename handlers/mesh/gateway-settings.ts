/** Where nodes find this broker. */
export interface GatewayEndpoint {
  host: string
  port: number
  isTls: boolean
}

export interface GatewaySettings {
  /** What to type into the node that is the gateway, by the firmware's names. */
  node: Record<string, string | boolean>
  /** Of the channel that is to arrive, on the gateway. */
  channel: Record<string, number | boolean>
  /** On every wearable: without them nothing of it arrives, or not where it is. */
  wearables: Record<string, number | boolean>
  /** What goes wrong most often, one sentence each; those about these very settings first. */
  notes: string[]
}

/** Exactly what a gateway and its wearables need, for whoever sets them up. `token` is told only when it was made. */
export function gatewaySettings(options: {
  username: string
  token: string
  endpoint: GatewayEndpoint
}): GatewaySettings {
  const { username, token, endpoint } = options
  const address = addressOf(endpoint)
  return {
    node: {
      'mqtt.enabled': true,
      'mqtt.address': address,
      'mqtt.username': username,
      'mqtt.password': token,
      'mqtt.root': ROOT,
      'mqtt.encryption_enabled': false,
      'mqtt.json_enabled': false,
      'mqtt.tls_enabled': endpoint.isTls,
      'mqtt.proxy_to_client_enabled': false,
      'mqtt.map_reporting_enabled': false,
    },
    channel: {
      uplink_enabled: true,
      downlink_enabled: false,
      'module_settings.position_precision': FULL_PRECISION,
    },
    wearables: {
      'lora.config_ok_to_mqtt': true,
      'module_settings.position_precision': FULL_PRECISION,
      'telemetry.device_telemetry_enabled': true,
    },
    notes: [...notesOn(endpoint, address), ...NOTES],
  }
}

/** A node takes `host` and the usual port, or `host:port`. */
function addressOf({ host, port, isTls }: GatewayEndpoint): string {
  const name = host.includes(':') ? `[${host}]` : host
  return port === (isTls ? 8883 : 1883) ? name : `${name}:${port}`
}

function notesOn({ host, isTls }: GatewayEndpoint, address: string): string[] {
  const notes: string[] = []
  if (Buffer.byteLength(address) > ADDRESS_BYTES_MAX)
    notes.push(
      `mqtt.address has more than ${ADDRESS_BYTES_MAX} bytes: no node takes it; give the broker a shorter name.`,
    )
  else if (Buffer.byteLength(address) > ADDRESS_BYTES_SAFE)
    notes.push(
      `mqtt.address has more than ${ADDRESS_BYTES_SAFE} bytes: some programs that set up nodes cut it off there.`,
    )
  if (/^(localhost|127\.|\[?::1)/.test(host))
    notes.push(
      'mqtt.address is this machine itself: a node needs the name or address that it reaches the broker by.',
    )
  if (!isTls)
    notes.push('Without TLS the token is readable on the way: use it inside a local network or a VPN.')
  return notes
}

const NOTES = [
  'lora.config_ok_to_mqtt is off in a new node, and a gateway then drops what it hears of it without a word, an SOS too. Set it on every wearable.',
  'A position is rounded to kilometres (firmware 2.7) or not sent at all (2.8) unless the channel has position_precision 32 and a private key; with a public key 2.8 rounds to 700 m.',
  'mqtt.root: a root that begins with msh is rewritten by the node when its region changes; any other of at most 31 characters in one to four levels stays.',
  'mqtt.password: a node that is given more than it holds (31 characters, 63 before firmware 2.6) loses the whole setting without a word. This token fits.',
  'mqtt.encryption_enabled false sends what the gateway could decrypt, so the broker needs no channel key; with true the channel has to be known to the broker.',
  'mqtt.json_enabled: the JSON of firmware up to 2.7 holds no alert and no private port, and 2.8 has none. It stays off.',
  'A node without a network of its own: mqtt.proxy_to_client_enabled true; then the phone app connects with the same settings, and for TLS the phone must trust the certificate.',
  'TLS: nodes with ESP32 have it and verify no certificate; nRF52 boards with Ethernet have none and need tls_enabled false inside a VPN or local network.',
  'A local Mosquitto that bridges to the broker needs cleansession true and notifications false, with this username and password as remote_username and remote_password.',
]

/** Does not begin with `msh`. */
const ROOT = 'eixam'
/** Of 32 bits: nothing is rounded. */
const FULL_PRECISION = 32
const ADDRESS_BYTES_MAX = 63
const ADDRESS_BYTES_SAFE = 30
