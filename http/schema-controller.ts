import type { FastifyServerOptions } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'

/**
 * Schemas are zod's. Given when fastify is made and not set afterwards, because fastify would first load two
 * compilers of its own: 150 files, a fifth of the broker's start.
 */
export const schemaController = {
  compilersFactory: { buildValidator: () => validatorCompiler, buildSerializer: () => serializerCompiler },
} as unknown as NonNullable<FastifyServerOptions['schemaController']> // its types know Ajv's schemas only
