/**
 * Every key in Redis. All keys of an app carry its hash tag, so that one script may touch them in a cluster.
 *
 * | key | type | content | lifetime |
 * |---|---|---|---|
 * | cb:{app}:open | hash | user id → open incident, JSON | until closed |
 * | cb:{app}:incident:<id> | string | incident, JSON | open: none; closed: RETENTION_DAYS |
 * | cb:{app}:reports:<user id> | sorted set | report keys counted in, by the server's milliseconds | RETENTION_DAYS after the last; newest REPORT_KEYS_PER_USER |
 * | cb:{app}:events | stream | field `event`, JSON | newest EVENTS_PER_APP |
 * | cb:{app}:telemetry | stream | field `record`, JSON | newest TELEMETRY_PER_APP |
 * | cb:{app}:position:<user id> | string | last telemetry with a position, JSON | RETENTION_DAYS |
 * | incoming:<session id> | hash | QoS 2 publications without PUBREL; written by aedes-persistence-redis | an hour |
 */
export const keys = {
  open: (appId: string) => `${tag(appId)}:open`,
  incident: (appId: string, incidentId: string) => `${tag(appId)}:incident:${incidentId}`,
  reports: (appId: string, userId: string) => `${tag(appId)}:reports:${userId}`,
  events: (appId: string) => `${tag(appId)}:events`,
  telemetry: (appId: string) => `${tag(appId)}:telemetry`,
  lastPosition: (appId: string, userId: string) => `${tag(appId)}:position:${userId}`,
  incoming: (sessionId: string) => `incoming:${sessionId}`,
}

// Encoded, because a brace in an app id would end the hash tag.
function tag(appId: string): string {
  return `cb:{${encodeURIComponent(appId)}}`
}
