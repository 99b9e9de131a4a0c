/** The mesh gateways that an app has let in. */
export interface GatewayStore {
  /**
   * Reads one gateway, asks `decide`, and writes what it wants in one step. `decide` must be pure: it is asked again
   * when another node was faster. `count` is how many gateways the app has.
   *
   * @throws when the store did not confirm the write; it may or may not have happened.
   */
  change<Result>(
    appId: string,
    gatewayId: string,
    decide: (gateway: GatewayRecord | null, count: number) => GatewayChange<Result>,
  ): Promise<Result>
  /** The app's gateways; null when the store still holds what was read with `version`. */
  read(appId: string, version: string | null): Promise<GatewaySet | null>
}

export interface GatewayRecord {
  gatewayId: string
  /** ISO 8601. */
  createdAt: string
  /** For people; '' is none. */
  note: string
  /** One, or two while the token is being replaced; oldest first. */
  tokens: GatewayToken[]
}

/** A token as it is kept: what a node types in is kept nowhere. */
export interface GatewayToken {
  /** Lower-case hex of the SHA-256 of the token. */
  hash: string
  /** ISO 8601. */
  createdAt: string
}

/** Without `gateway` nothing is written; null removes it. */
export interface GatewayChange<Result> {
  gateway?: GatewayRecord | null
  result: Result
}

export interface GatewaySet {
  /** Names this state of the set and no other, also on a Redis that has lost its newest writes. */
  version: string
  gateways: ReadonlyMap<string, GatewayRecord>
}
