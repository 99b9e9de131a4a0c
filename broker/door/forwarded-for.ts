import ipaddr from 'ipaddr.js'

/**
 * The client's address out of `X-Forwarded-For`: from the right, each proxy of ours wrote who spoke to it, so the
 * first address that is none of ours is the client; what stands further left is its own invention. Null when
 * the header is absent or something else than an address stands where we need one.
 */
export function readForwardedFor(
  header: string | undefined,
  isProxy: (address: string) => boolean,
): string | null {
  let client: string | null = null
  for (const entry of (header ?? '').split(',').toReversed()) {
    client = readEntry(entry.trim())
    if (client === null || !isProxy(client)) break
  }
  return client
}

/** An address, as some proxies write it with its port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function readEntry(entry: string): string | null {
  const [, bracketed, withPort] = /^\[([^\]]+)\](?::\d+)?$|^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(entry) ?? []
  const address = bracketed ?? withPort ?? entry
  const isAddress = ipaddr.IPv4.isValidFourPartDecimal(address) || ipaddr.IPv6.isValid(address)
  return isAddress ? ipaddr.process(address).toString() : null
}
