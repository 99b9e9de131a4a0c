import { lookup as lookUpName } from 'node:dns'
import type { LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Which addresses web hooks may go to beside public ones. */
export type IsAllowed = (address: string) => boolean

/** A target that nothing is sent to; the message is for the operator. */
export class RefusedTarget extends Error {}

/** Whether an address is one of the public internet: not private, loopback, link-local, nor an IPv4 network inside IPv6. */
export function isPublic(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'unicast'
}

/** @throws RefusedTarget when nothing may be sent to this address over this protocol. */
export function checkAddress(address: string, protocol: string, isAllowed: IsAllowed): void {
  if (isAllowed(address)) return
  if (!isPublic(address)) throw new RefusedTarget('its address is private and not in WEBHOOK_NETWORKS')
  if (protocol !== 'https:') throw new RefusedTarget('http: is for WEBHOOK_NETWORKS alone')
}

/**
 * Resolves a name for one connection and hands on only the addresses that may be reached. So what is checked is what is
 * connected to, whatever the name says a moment later. An address instead of a name never comes here.
 */
export function createCheckedLookup(protocol: string, isAllowed: IsAllowed): LookupFunction {
  return (hostname, options, callback) => {
    lookUpName(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, [])
      let refused: Error | null = null
      const good = addresses.filter(({ address }) => {
        try {
          checkAddress(address, protocol, isAllowed)
          return true
        } catch (error) {
          refused = error as Error
          return false
        }
      })
      const [first] = good
      if (!first) callback(refused ?? new RefusedTarget('its name has no address'), [])
      else if (options.all) callback(null, good)
      else callback(null, first.address, first.family)
    })
  }
}
