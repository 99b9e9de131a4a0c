import ipaddr from 'ipaddr.js'

type Network = readonly [ipaddr.IPv4 | ipaddr.IPv6, number]

export interface Networks {
  has(address: string): boolean
}

/** Addresses and networks such as `10.0.0.0/8, 2001:db8::1`. */
export function createNetworks(texts: string[]): Networks {
  const networks = texts.map(readNetwork)
  return {
    has(address) {
      if (networks.length === 0 || !ipaddr.isValid(address)) return false
      const parsed = ipaddr.process(address)
      return networks.some(
        ([range, bits]) =>
          range.kind() === parsed.kind() && (parsed as ipaddr.IPv4).match(range as never, bits),
      )
    },
  }
}

/** Whether createNetworks can read it. The network of everybody is none: anyone could choose his own address. */
export function isNetwork(text: string): boolean {
  try {
    return readNetwork(text)[1] > 0
  } catch {
    return false
  }
}

/** @throws when it is neither an address nor a network. */
function readNetwork(text: string): Network {
  if (text.includes('/')) return ipaddr.parseCIDR(text)
  const address = ipaddr.process(text)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}
