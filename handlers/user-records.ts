import { randomUUID } from 'node:crypto'
import { deviceKey } from '../store/store.js'
import type { Contact, Device, Profile, UserChange, UserRecord } from '../store/store.js'

/**
 * The rules of profile, devices and contacts: pure functions from a user's record to its change, as
 * UserStore.change wants them. Times are ISO 8601, UTC.
 */

/** More than anybody wears or wants called; bounds what one user can store. */
export const DEVICES_MAX = 50
export const CONTACTS_MAX = 50

/** What is absent stays as it is; '' clears. */
export function updateProfile(changes: Partial<Profile>) {
  return (record: UserRecord): UserChange<Profile> => {
    const profile = { ...record.profile, ...changes }
    return { record: { ...record, profile }, result: profile }
  }
}

export interface DeviceInput {
  hardwareId: string
  firmwareVersion: string
  hardwareModel: string
  pairedAt: string
}

/**
 * One device per hardware id. The first pairing time stays; '' does not overwrite what is known. null: the
 * user has DEVICES_MAX already.
 */
export function putDevice(input: DeviceInput, now: string) {
  return (record: UserRecord): UserChange<Device | null> => {
    const known = record.devices.find(
      ({ hardwareId }) => deviceKey(hardwareId) === deviceKey(input.hardwareId),
    )
    if (!known && record.devices.length >= DEVICES_MAX) return { result: null }
    const device: Device = known
      ? {
          ...known,
          hardwareId: input.hardwareId,
          firmwareVersion: input.firmwareVersion || known.firmwareVersion,
          hardwareModel: input.hardwareModel || known.hardwareModel,
          updatedAt: now,
        }
      : {
          id: randomUUID(),
          ...input,
          pairedAt: input.pairedAt || now,
          createdAt: now,
          updatedAt: now,
          aliases: [],
        }
    const devices = known
      ? record.devices.map((other) => (other === known ? device : other))
      : [...record.devices, device]
    return { record: { ...record, devices }, result: device }
  }
}

/** False: the user has no such device. */
export function removeDevice(id: string) {
  return (record: UserRecord): UserChange<boolean> => {
    const devices = record.devices.filter((device) => device.id !== id)
    return devices.length === record.devices.length
      ? { result: false }
      : { record: { ...record, devices }, result: true }
  }
}

export interface ContactInput {
  name: string
  phone: string
  email: string
  priority: number
  language: string
}

/** null: the user has CONTACTS_MAX already. */
export function addContact(input: ContactInput, now: string) {
  return (record: UserRecord): UserChange<Contact | null> => {
    if (record.contacts.length >= CONTACTS_MAX) return { result: null }
    const contact = { id: randomUUID(), ...input, createdAt: now, updatedAt: now }
    return { record: { ...record, contacts: byPriority([...record.contacts, contact]) }, result: contact }
  }
}

/** null: the user has no such contact. */
export function replaceContact(id: string, input: ContactInput, now: string) {
  return (record: UserRecord): UserChange<Contact | null> => {
    const known = record.contacts.find((contact) => contact.id === id)
    if (!known) return { result: null }
    const contact = { ...known, ...input, updatedAt: now }
    const contacts = record.contacts.map((other) => (other === known ? contact : other))
    return { record: { ...record, contacts: byPriority(contacts) }, result: contact }
  }
}

/** False: the user has no such contact. */
export function removeContact(id: string) {
  return (record: UserRecord): UserChange<boolean> => {
    const contacts = record.contacts.filter((contact) => contact.id !== id)
    return contacts.length === record.contacts.length
      ? { result: false }
      : { record: { ...record, contacts }, result: true }
  }
}

export type ReorderOutcome = 'reordered' | 'unknown-contact' | 'incomplete'

/** `order` names every contact once; priorities become 1, 2, 3 … */
export function reorderContacts(order: string[], now: string) {
  return (record: UserRecord): UserChange<ReorderOutcome> => {
    const byId = new Map(record.contacts.map((contact) => [contact.id, contact]))
    const wanted = order.flatMap((id) => byId.get(id) ?? [])
    if (wanted.length < order.length) return { result: 'unknown-contact' }
    if (new Set(order).size < record.contacts.length || order.length > record.contacts.length)
      return { result: 'incomplete' }
    const contacts = wanted.map((contact, i) => ({ ...contact, priority: i + 1, updatedAt: now }))
    return { record: { ...record, contacts }, result: 'reordered' }
  }
}

/** Stable: equal priorities keep the order in which they came. */
function byPriority(contacts: Contact[]): Contact[] {
  return contacts.toSorted((a, b) => a.priority - b.priority)
}
