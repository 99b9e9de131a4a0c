import { meshKeyOf, meshKeysOfDevice } from '../../store/node-ids.js'
import { deviceKey } from '../../store/store.js'
import type { UserStore } from '../../store/store.js'
import { userKey } from '../../store/user.js'
import type { User } from '../../store/user.js'
import type { AppNodes, KnownNodes } from './known-nodes.js'
import type { MeshMessage } from './mesh-message.js'

/** Whom a message names: by the 16-bit id of a radio packet, else by the topic's hardware id or by a node number. */
export type NamedSender = { radioId: number } | { hardwareId: string } | { nodeId: string }

export type Whose =
  | {
      is: 'user'
      user: User
      /** Absent where the user has several that it may be. */
      hardwareId?: string
      /** The app's backend said so; a key, a MAC address or a topic did. */
      how: 'explicit' | 'key' | 'mac' | 'topic'
    }
  | { is: 'nobody'; why: Nobody }

export type Nobody =
  /** Nothing speaks for anybody. */
  | 'unmapped'
  /** The backend said that it is nobody's. */
  | 'declared'
  /** Its device is registered by no user. */
  | 'unregistered'
  /** By several users, or two signs speak for different ones: nobody guesses. */
  | 'several-users'

/** @throws when the store cannot be read. */
export type WhoseNode = (appId: string, named: NamedSender) => Promise<Whose>

/** A relayed message is about the one that it names, and never about its sender. */
export function namedIn({ sender, relayedDevice }: MeshMessage): NamedSender {
  if (relayedDevice !== undefined) return { radioId: relayedDevice }
  return sender.is === 'node' ? { nodeId: sender.nodeId } : { hardwareId: sender.hardwareId }
}

/** As it is shown, and told apart from others. */
export function senderName(named: NamedSender): string {
  if ('radioId' in named) return `radio:${named.radioId}`
  return 'nodeId' in named ? named.nodeId : deviceKey(named.hardwareId)
}

/**
 * Whose a number is, within one app. What the backend said decides. Else it is the owner's of the device whose MAC
 * address or remembered key has that number. Nothing of it is proved by a packet: anybody may register a MAC address and
 * make a key for a number, so where they contradict each other nobody is chosen.
 */
export function createWhoseNode({ users, nodes }: { users: UserStore; nodes: KnownNodes }): WhoseNode {
  async function ofDevice(appId: string, hardwareId: string, how: 'explicit' | 'topic'): Promise<Whose> {
    const whose = chooseOne(await users.ownersOf(appId, deviceKey(hardwareId)), how)
    if (whose.is === 'user') return { ...whose, hardwareId }
    return whose.why === 'unmapped' ? { is: 'nobody', why: 'unregistered' } : whose
  }

  async function ofMac(appId: string, nodeId: string): Promise<Whose> {
    const key = meshKeyOf(nodeId)
    const whose = chooseOne(await users.ownersOf(appId, key), 'mac')
    if (whose.is === 'nobody') return whose
    const { devices } = await users.read(whose.user)
    const [device, ...others] = devices.filter(({ hardwareId }) => meshKeysOfDevice(hardwareId).includes(key))
    return device && others.length === 0 ? { ...whose, hardwareId: device.hardwareId } : whose
  }

  /** Without its key. */
  async function ofNumber(appId: string, nodeId: string, { byId }: AppNodes): Promise<Whose> {
    const hardwareId = byId.get(nodeId)?.hardwareId
    if (hardwareId === null) return { is: 'nobody', why: 'declared' }
    return hardwareId === undefined ? ofMac(appId, nodeId) : ofDevice(appId, hardwareId, 'explicit')
  }

  async function ofNode(appId: string, nodeId: string, known: AppNodes): Promise<Whose> {
    const own = await ofNumber(appId, nodeId, known)
    if (known.byId.get(nodeId)?.hardwareId !== undefined) return own
    const before = (known.byKeyNumber.get(nodeId) ?? []).filter((other) => other !== nodeId)
    const byKey = await Promise.all(before.map((other) => ofNumber(appId, other, known)))
    const candidates = [own, ...byKey].filter((whose) => whose.is === 'user')
    if (candidates.length === 0 || (own.is === 'nobody' && own.why === 'several-users')) return own
    const persons = new Set(candidates.map(({ user }) => userKey(user)))
    if (persons.size > 1) return { is: 'nobody', why: 'several-users' }
    return own.is === 'user' ? own : { ...(candidates[0] as (typeof candidates)[0]), how: 'key' }
  }

  return async (appId, named) => {
    if ('hardwareId' in named) return ofDevice(appId, named.hardwareId, 'topic')
    const known = await nodes.of(appId)
    if ('nodeId' in named) return ofNode(appId, named.nodeId, known)
    const [nodeId, ...others] = known.byRadioId.get(named.radioId) ?? []
    if (nodeId === undefined) return { is: 'nobody', why: 'unmapped' }
    return others.length > 0 ? { is: 'nobody', why: 'several-users' } : ofNode(appId, nodeId, known)
  }
}

function chooseOne(owners: User[], how: 'explicit' | 'mac' | 'topic'): Whose {
  const [user, ...others] = owners
  if (!user) return { is: 'nobody', why: 'unmapped' }
  return others.length > 0 ? { is: 'nobody', why: 'several-users' } : { is: 'user', user, how }
}

/** Answers of WhoseNode for packets that come many times a second. */
export interface RecentWhose {
  /** Not older than a second. */
  recent: WhoseNode
  /** What was known last, however long ago, for when the store cannot be read. */
  lastKnown(appId: string, named: NamedSender): Whose | undefined
  /** Asks now. */
  ask: WhoseNode
  forget(): void
}

export function createRecentWhose(whose: WhoseNode): RecentWhose {
  const answers = new Map<string, { whose: Whose; at: number }>()
  const keyOf = (appId: string, named: NamedSender) => `${appId} ${senderName(named)}`

  async function ask(appId: string, named: NamedSender): Promise<Whose> {
    const answer = await whose(appId, named)
    const key = keyOf(appId, named)
    answers.delete(key)
    if (answers.size >= ANSWERS_MAX) answers.delete(answers.keys().next().value as string)
    answers.set(key, { whose: answer, at: performance.now() })
    return answer
  }

  return {
    ask,
    async recent(appId, named) {
      const known = answers.get(keyOf(appId, named))
      return known && performance.now() - known.at < RECENT_MS ? known.whose : ask(appId, named)
    },
    lastKnown: (appId, named) => answers.get(keyOf(appId, named))?.whose,
    forget() {
      for (const answer of answers.values()) answer.at = -Infinity
    },
  }
}

/** How long a device that was just registered or removed may be without or keep its node's positions. */
const RECENT_MS = 1_000
/** Some 4 MB. Nodes of a hundred meshes; whoever makes numbers up makes us forget what one read brings back. */
const ANSWERS_MAX = 20_000
