/**
 * The external user id under which `connect-broker doctor` sends its drills, in every app. What such a user sends alarms
 * nobody. No phone can claim it: the app's secret signs a user's id, and nothing in a payload counts.
 */
export const DRILL_USER = 'connect-broker-doctor'

/** Whether an incident or an event of it is a drill. What is nobody's never is. */
export function isDrill(about: { externalUserId: string; unattributed?: object }): boolean {
  return about.externalUserId === DRILL_USER && about.unattributed === undefined
}
