/**
 * Every key in Redis. All keys of an app carry its hash tag, so that one script may touch them in a cluster.
 *
 * | key | type | content | lifetime |
 * |---|---|---|---|
 * | cb:{app}:open | hash | user id → open incident, JSON | until closed |
 * | cb:{app}:open-ids | hash | user id → incident id of the same | until closed |
 * | cb:{app}:history | sorted set | historyKey of every incident, by name | entry: RETENTION_DAYS |
 * | cb:{app}:history:<user id> | sorted set | historyKey of the user's incidents, by name | entry: RETENTION_DAYS |
 * | cb:{app}:alert-history | sorted set | historyKey of every incident that is nobody's, by name | entry: RETENTION_DAYS |
 * | cb:{app}:trail:<incident id> | list | trail points, JSON | as the incident; newest TRAIL_POINTS |
 * | cb:{app}:user:<user id> | string | profile, devices and contacts, JSON | until deleted |
 * | cb:{app}:revoked | hash | user id → when he was revoked; `version` → a new name for every change | until unrevoked |
 * | cb:{app}:gateways | hash | gateway id → gateway with the hashes of its tokens, JSON; `:version` → a new name for every change | until deleted |
 * | cb:{app}:mesh-nodes | hash | node id → whose it is and its key, JSON; `version` → a new name for every change | until removed; at most NODES_MAX |
 * | cb:{app}:mesh-heard | hash | node id → how it was heard last, JSON | newest HEARD_MAX |
 * | cb:{app}:mesh-heard-at | sorted set | node id by when it was heard last, ms | as mesh-heard |
 * | cb:{app}:device:<device key> | hash | user id → its owner, JSON | while registered |
 * | cb:{app}:incident:<id> | string | incident, JSON | open: none; closed: RETENTION_DAYS |
 * | cb:{app}:reports:<user id> | sorted set | report keys counted in, by the server's milliseconds, growing | RETENTION_DAYS after the last; newest REPORT_KEYS_PER_USER |
 * | cb:{app}:events | stream | field `event`, JSON | newest EVENTS_PER_APP |
 * | cb:{app}:telemetry | stream | field `record`, JSON | newest TELEMETRY_PER_APP |
 * | cb:{app}:position:<user id> | string | last telemetry with a position, JSON | RETENTION_DAYS |
 * | cb:{app}:batch:<run>.<n> | string | the last telemetry batch that a broker wrote over one connection, then `-`: no more of them | 30 days |
 * | cb:{app}:replayed:<run> <file> | string | the last entry of a file of the journal that is in the telemetry | 30 days |
 * | cb:{app}:webhook:<webhook id> | string | how far the web hook has got, JSON | until deleted by hand |
 * | cb:{app}:webhook-lease:<webhook id> | string | the node that serves it | seconds |
 * | cb:{app}:webhook-dead:<webhook id> | list | dead letters, JSON | newest DEAD_LETTERS_MAX |
 * | cb:{app}:webhook-dropped:<webhook id> | string | how many dead letters had to give way | until deleted by hand |
 * | cb:{app}:deliveries:<incident id> | list | who got which event of it, JSON | RETENTION_DAYS after the last; newest DELIVERIES_MAX |
 * | cb:{app}:probe | string | nothing: whether writes are taken | a minute |
 * | cb:login-failures:<digest> | string | failed logins of an identity from an address, or of an address; written by rate-limiter-flexible | a minute |
 * | incoming:<session id> | hash | QoS 2 publications without PUBREL; written by aedes-persistence-redis | an hour |
 */
export const keys = {
  open: (appId: string) => `${tag(appId)}:open`,
  openIds: (appId: string) => `${tag(appId)}:open-ids`,
  history: (appId: string) => `${tag(appId)}:history`,
  alertHistory: (appId: string) => `${tag(appId)}:alert-history`,
  userHistory: (appId: string, userId: string) => `${tag(appId)}:history:${userId}`,
  trail: (appId: string, incidentId: string) => `${tag(appId)}:trail:${incidentId}`,
  /** Without the incident's id, for a script that knows it. */
  trails: (appId: string) => `${tag(appId)}:trail:`,
  user: (appId: string, userId: string) => `${tag(appId)}:user:${userId}`,
  revoked: (appId: string) => `${tag(appId)}:revoked`,
  gateways: (appId: string) => `${tag(appId)}:gateways`,
  meshNodes: (appId: string) => `${tag(appId)}:mesh-nodes`,
  meshHeard: (appId: string) => `${tag(appId)}:mesh-heard`,
  meshHeardAt: (appId: string) => `${tag(appId)}:mesh-heard-at`,
  device: (appId: string, deviceKey: string) => `${tag(appId)}:device:${deviceKey}`,
  incident: (appId: string, incidentId: string) => `${tag(appId)}:incident:${incidentId}`,
  reports: (appId: string, userId: string) => `${tag(appId)}:reports:${userId}`,
  events: (appId: string) => `${tag(appId)}:events`,
  telemetry: (appId: string) => `${tag(appId)}:telemetry`,
  lastPosition: (appId: string, userId: string) => `${tag(appId)}:position:${userId}`,
  batch: (appId: string, batch: string) => `${tag(appId)}:batch:${batch}`,
  replayed: (appId: string, part: string) => `${tag(appId)}:replayed:${part}`,
  webhook: (appId: string, webhookId: string) => `${tag(appId)}:webhook:${webhookId}`,
  webhookLease: (appId: string, webhookId: string) => `${tag(appId)}:webhook-lease:${webhookId}`,
  webhookDead: (appId: string, webhookId: string) => `${tag(appId)}:webhook-dead:${webhookId}`,
  webhookDropped: (appId: string, webhookId: string) => `${tag(appId)}:webhook-dropped:${webhookId}`,
  deliveries: (appId: string, incidentId: string) => `${tag(appId)}:deliveries:${incidentId}`,
  probe: (appId: string) => `${tag(appId)}:probe`,
  incoming: (sessionId: string) => `incoming:${sessionId}`,
}

/** What such keys begin with. */
export const loginFailures = 'cb:login-failures'

/** A month: longer than a journal waits for its Redis. */
export const BATCH_SECONDS = 30 * 86_400

// Encoded, because a brace in an app id would end the hash tag.
function tag(appId: string): string {
  return `cb:{${encodeURIComponent(appId)}}`
}
