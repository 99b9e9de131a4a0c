/** A gateway that has logged in: whatever it publishes counts within its app alone. */
export interface MeshGateway {
  appId: string
  gatewayId: string
}

export interface MeshIntake {
  /**
   * Takes what a gateway published. Resolves when it is kept or there was nothing to keep.
   *
   * @throws only when neither store nor journal took it.
   */
  take(gateway: MeshGateway, topic: string, payload: Buffer, arrivedAtMs: number): Promise<void>
}
