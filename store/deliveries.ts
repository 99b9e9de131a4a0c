/** That an event reached somebody, or was given up. It is kept for people who look at an incident; nothing depends on it. */
export interface DeliveryNote {
  eventId: string
  /** ISO 8601: when it was taken, written, or given up. */
  at: string
  /** Sessions of its user, on one node, that it was written to. */
  sessions?: number
  /** The web hook that took it, or did not. */
  webhookId?: string
  /** Requests that it took. */
  attempts?: number
  /** Why it became a dead letter. */
  gaveUp?: string
}

export interface DeliveryStore {
  /** Appends to what is known of one incident, whose newest DELIVERIES_MAX are kept. */
  add(appId: string, incidentId: string, notes: DeliveryNote[]): Promise<void>
  /** Oldest first. */
  read(appId: string, incidentId: string): Promise<DeliveryNote[]>
}

export const DELIVERIES_MAX = 1_000
