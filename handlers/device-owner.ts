import { deviceKey } from '../store/store.js'
import type { UserStore } from '../store/store.js'
import type { User } from '../store/user.js'
import { readDeviceId } from './payload.js'

export type DeviceOwner =
  /** No device was named, or one of the sender's own. */
  | { is: 'sender' }
  /** Exactly one other user of the app owns it. */
  | { is: 'other'; owner: User }
  /** Several do; nobody guesses. */
  | { is: 'ambiguous' }
  | { is: 'unknown' }

/** Device ids in the order in which they are believed. */
export interface NamedDevices {
  deviceId: string | undefined
  hardwareId: string | undefined
  nodeId: string | undefined
}

/** Device ids of a payload: an SOS, telemetry, or the body of a cancel. */
export function readNamedDevices(json: Record<string, unknown>): NamedDevices {
  return {
    deviceId: readDeviceId(json.deviceId),
    hardwareId: readDeviceId(json.hardwareId),
    nodeId: readDeviceId(json.originatorNodeId) ?? readDeviceId(json.nodeId),
  }
}

/** Whose device the sender names: the first id that anybody of the app has registered decides. */
export async function findDeviceOwner(
  users: UserStore,
  sender: User,
  named: NamedDevices,
): Promise<DeviceOwner> {
  const ids = [named.deviceId, named.hardwareId, named.nodeId].filter((id) => id !== undefined)
  if (ids.length === 0) return { is: 'sender' }
  const ownersOfEach = await Promise.all(ids.map((id) => users.ownersOf(sender.appId, deviceKey(id))))
  const owners = ownersOfEach.find((found) => found.length > 0)
  if (!owners) return { is: 'unknown' }
  if (owners.some(({ userId }) => userId === sender.userId)) return { is: 'sender' }
  const [owner, ...others] = owners as [User, ...User[]]
  return others.length > 0 ? { is: 'ambiguous' } : { is: 'other', owner }
}
