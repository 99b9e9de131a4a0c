import { idFormOf } from '../store/user.js'
import type { IdForm, User } from '../store/user.js'

/**
 * Topics are labels inside a session: they hold no app id, and external ids and UUIDs share one name space,
 * so the same topic names different things for different principals. Everything not named here is refused.
 *
 * | may publish | may subscribe |
 * |---|---|
 * | sos/alerts, sos/alerts/<own> | sos/events/<own> |
 * | tel/data, tel/<own>/data | |
 */
export function readPublishTopic(
  user: User,
  topicName: string,
): { is: 'sos' | 'telemetry' } | { is: 'refused' } {
  const levels = topicName.split('/')
  const [first, second, third] = levels
  if (first === 'sos' && second === 'alerts') {
    if (levels.length === 2 || (levels.length === 3 && isOwn(user, third))) return { is: 'sos' }
  }
  if (first === 'tel') {
    if (levels.length === 2 && second === 'data') return { is: 'telemetry' }
    if (levels.length === 3 && third === 'data' && isOwn(user, second)) return { is: 'telemetry' }
  }
  return { is: 'refused' }
}

export type FilterVerdict =
  { is: 'events'; form: IdForm } | { is: 'refused'; why: 'wildcard' | 'shared-subscription' | 'not-own' }

/** The form decides which copy of an event goes out under this filter. */
export function readTopicFilter(user: User, topicFilter: string): FilterVerdict {
  if (topicFilter.startsWith('$share/')) return { is: 'refused', why: 'shared-subscription' }
  if (/[+#]/.test(topicFilter)) return { is: 'refused', why: 'wildcard' }
  const levels = topicFilter.split('/')
  const [first, second, own] = levels
  if (first === 'sos' && second === 'events' && levels.length === 3 && own !== undefined) {
    const form = idFormOf(user, own)
    if (form) return { is: 'events', form }
  }
  return { is: 'refused', why: 'not-own' }
}

/** An SOS is never read more slowly than it comes; telemetry is, and what will be refused. */
export function mayWait(topicName: string): boolean {
  return !topicName.startsWith('sos/')
}

function isOwn(user: User, level: string | undefined): boolean {
  return level !== undefined && idFormOf(user, level) !== null
}
