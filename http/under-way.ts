import type { FastifyInstance } from 'fastify'

/** Counts what an end has to wait for. */
export interface Work {
  begin(): void
  end(): void
}

/**
 * Tells of each request that may change something, from its whole body to its answer: a call for help that is being
 * stored shall have its answer before the broker ends. Who only reads, for hours perhaps, asks again elsewhere.
 */
export function tellOfChanges(app: FastifyInstance, work: Work): void {
  app.addHook('preValidation', async ({ method }, { raw }) => {
    if (['GET', 'HEAD', 'OPTIONS'].includes(method) || raw.closed) return
    work.begin()
    raw.once('close', () => work.end())
  })
}
