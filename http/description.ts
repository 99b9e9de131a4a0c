import fastify from 'fastify'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { renderApiPage } from './api-page.js'
import { schemaController } from './schema-controller.js'

type DescribedRoute = Pick<RouteOptions, 'method' | 'url' | 'schema'>

/**
 * Serves `/openapi.json` and `/docs` about every route that is added after this call: the schemas that check
 * requests and answers, written down.
 */
export function serveDescription(app: FastifyInstance): void {
  const routes: DescribedRoute[] = []
  let description: ReturnType<typeof describeRoutes> | undefined
  const describe = () => (description ??= describeRoutes(routes))
  app.get('/openapi.json', describe)
  app.get('/docs', async (_request, reply) => {
    return reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', PAGE_POLICY)
      .send(renderApiPage(await describe()))
  })
  app.addHook('onRoute', (route) => {
    // What the live page asks for is its own business and changes with it.
    if (!route.url.startsWith('/console')) routes.push(route)
  })
}

/** Few ask, so what it takes is loaded when somebody does and not at the start, which phones wait for. */
async function describeRoutes(routes: DescribedRoute[]) {
  const { default: swagger } = await import('@fastify/swagger')
  const app = fastify({ exposeHeadRoutes: false, schemaController })
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'connect-broker', version: '1' } },
    transform: jsonSchemaTransform,
  })
  for (const { method, url, schema = {} } of routes) app.route({ method, url, schema, handler: () => {} })
  await app.ready()
  return app.swagger()
}

// The page is text of our own: nothing to load, nothing to run.
const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
