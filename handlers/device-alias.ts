import { deviceKey } from '../store/store.js'
import type { UserRecord, UserStore } from '../store/store.js'
import type { NamedDevices } from './device-owner.js'
import type { User } from '../store/user.js'

export type AliasLearner = (user: User, named: NamedDevices) => void

/**
 * Remembers that a MAC address and a node number are the same device, when a session of the device's owner
 * names both. Node numbers are how another user's phone names a device that it heard by radio. Nobody waits
 * for it: what could not be stored is learned from the next message.
 */
export function createAliasLearner(users: UserStore): AliasLearner {
  const askAgainAt = new Map<string, number>()
  return (user, { deviceId, hardwareId, nodeId }) => {
    const numbers = [deviceId, nodeId].filter((id) => id !== undefined && NODE_NUMBER.test(id)) as string[]
    if (hardwareId === undefined || numbers.length === 0) return
    const pair = [user.appId, user.userId, hardwareId, ...numbers].join(' ')
    const now = performance.now()
    if ((askAgainAt.get(pair) ?? 0) > now) return
    if (askAgainAt.size >= PAIRS_MAX) askAgainAt.clear()
    askAgainAt.set(pair, now + RETRY_MS)
    const learned = users.change(user, (record) => {
      const changed = withAliases(record, hardwareId, numbers)
      return changed ? { record: changed, result: undefined } : { result: undefined }
    })
    learned.catch(() => askAgainAt.delete(pair))
  }
}

function withAliases(record: UserRecord, hardwareId: string, numbers: string[]): UserRecord | null {
  const device = record.devices.find((known) => deviceKey(known.hardwareId) === deviceKey(hardwareId))
  if (!device) return null
  const added = numbers.filter((number) => !device.aliases.includes(number))
  if (added.length === 0) return null
  // A node number changes with a firmware upgrade; the last few are enough.
  const aliases = [...device.aliases, ...added].slice(-ALIASES_MAX)
  return {
    ...record,
    devices: record.devices.map((known) => (known === device ? { ...device, aliases } : known)),
  }
}

/** u32 in decimal. */
const NODE_NUMBER = /^\d{1,10}$/
const ALIASES_MAX = 4
/** Pairs remembered so that not every position asks the store; a cleared memory only costs a read. */
const PAIRS_MAX = 100_000
/** How soon a device that was registered after its first message is noticed. */
const RETRY_MS = 60_000
