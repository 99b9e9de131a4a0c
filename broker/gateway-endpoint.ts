import type { GatewayEndpoint } from '../handlers/mesh/gateway-settings.js'
import type { OpenPorts } from './listeners.js'

/** Where nodes reach the broker: as configured, else under the name that was asked, at the port that is open. */
export function gatewayEndpoint(
  configured: string | undefined,
  hostName: string,
  ports: OpenPorts,
): GatewayEndpoint {
  if (configured !== undefined) {
    const { protocol, hostname, port } = new URL(configured)
    const isTls = protocol === 'mqtts:'
    return { host: hostname, port: port === '' ? usualPort(isTls) : Number(port), isTls }
  }
  const isTls = ports.mqtts !== undefined
  return { host: hostName, port: (isTls ? ports.mqtts : ports.mqtt) ?? usualPort(isTls), isTls }
}

function usualPort(isTls: boolean): number {
  return isTls ? 8883 : 1883
}
