import { createHash } from 'node:crypto'
import type { CancelHeard, Position, SosReport } from '../../store/store.js'
import type { User } from '../../store/user.js'
import { senderName } from './whose-node.js'
import type { NamedSender } from './whose-node.js'

/** What the way of an SOS carries for a message of the mesh, in the journal too: as JSON, the payload of a Message. */
export type MeshCall = SosCall | CancelCall

interface CallBase {
  named: NamedSender
  /** How the sender calls itself. */
  name?: string
  /** The message's user is the one whose call it is; else that is still to be found out, or he is nobody. */
  isAttributed: boolean
}

export interface SosCall extends CallBase {
  is: 'sos'
  report: SosReport
  /** Knows the packet again where the report key is of several packets. */
  copyKey?: string
  /** Where the node was last, when the call has no position. */
  nodeFix?: { at: string; position: Position; accuracyMeters?: number }
}

export interface CancelCall extends CallBase {
  is: 'cancel'
  cancelHeard: CancelHeard
  keys: string[]
  /** The app lets a wearable's cancel close the incident, and the packet names the wearable beyond doubt. */
  mayClose: boolean
}

export function encodeCall(call: MeshCall): Buffer {
  return Buffer.from(JSON.stringify(call))
}

export function decodeCall(payload: Buffer): MeshCall {
  return JSON.parse(payload.toString()) as MeshCall
}

/**
 * Stands for a sender of whom nobody knows whose it is. No user has this id (theirs are of version 5) or an empty
 * external id.
 */
export function userOfSender(appId: string, named: NamedSender | null): User {
  const name = named === null ? MANY : senderName(named)
  const hash = createHash('sha256').update(`${appId}\0${name}`).digest('hex')
  const userId = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`
  return { appId, userId, externalUserId: '' }
}

/** What an alert calls those that are too many to have one each. */
export const MANY = '*'
