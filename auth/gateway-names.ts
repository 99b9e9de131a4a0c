import { APP_ID_LENGTH_MAX } from './app-limits.js'

export interface GatewayName {
  appId: string
  gatewayId: string
}

/** What a node types in as its username. */
export function gatewayUsername({ appId, gatewayId }: GatewayName): string {
  return `${PREFIX}${appId}:${gatewayId}`
}

/** Whether somebody logs in as a gateway, by a name that may be none. */
export function isGatewayUsername(username: string | undefined): boolean {
  return username?.startsWith(PREFIX) === true
}

/** `gw:<appId>:<gatewayId>`; null when it is no such username. An app id holds no colon. */
export function readGatewayUsername(username: string): GatewayName | null {
  const [prefix, appId = '', gatewayId = '', ...more] = username.split(':')
  const isName = prefix === 'gw' && appId !== '' && more.length === 0 && GATEWAY_ID.test(gatewayId)
  return isName && appId.length <= APP_ID_LENGTH_MAX ? { appId, gatewayId } : null
}

/** Why no node could log in under this name, in words for whoever chose it; null when one can. */
export function problemOfGatewayName({ appId, gatewayId }: GatewayName): string | null {
  if (!GATEWAY_ID.test(gatewayId)) return 'is 1 to 24 of a-z, 0-9 and -'
  const left = USERNAME_BYTES_MAX - Buffer.byteLength(gatewayUsername({ appId, gatewayId: '' }))
  if (gatewayId.length <= left) return null
  return left < 1
    ? `a node holds ${USERNAME_BYTES_MAX} bytes of username, and gw:<appId>: of this app leaves none for a gateway`
    : `a node holds ${USERNAME_BYTES_MAX} bytes of username: for this app a gateway id has at most ${left} characters`
}

const PREFIX = 'gw:'
const GATEWAY_ID = /^[a-z0-9-]{1,24}$/
/** Of every firmware. What is longer is thrown away by the node without a word. */
const USERNAME_BYTES_MAX = 63
