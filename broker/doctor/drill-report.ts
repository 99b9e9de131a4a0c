/** What tells a drill of ours from anything else that this user could have sent. */
export const DRILL_TRIGGER = 'connect_broker_doctor'

/** Nobody may take it for an emergency, whoever shows it and in whatever way; it names no position to go to. */
export function drillReport(timestamp: string) {
  return {
    timestamp,
    message: 'DRILL by connect-broker doctor. No emergency.',
    triggerSource: DRILL_TRIGGER,
    source: DRILL_TRIGGER,
    drill: true,
  }
}
