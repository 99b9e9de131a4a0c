import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzip as gzipWithCallback } from 'node:zlib'
import type { FastifyPluginAsync } from 'fastify'
import { notFound } from '../errors.js'

const gzip = promisify(gzipWithCallback)

interface PageFile {
  type: string
  plain: Buffer
  packed: Buffer
  cacheControl: string
}

/**
 * The page itself, out of memory: what the build made, by exactly these names, so that no path leads anywhere else.
 * Read when somebody asks first: phones wait for the broker's start.
 */
export function consoleFiles(options: { directory: string; tileUrl: string | null }): FastifyPluginAsync {
  const policy = policyFor(options.tileUrl)
  let reading: Promise<Map<string, PageFile>> | undefined
  const files = () => (reading ??= readFiles(options.directory))

  return async (app) => {
    app.get('/console', async (_request, reply) => reply.redirect('/console/'))
    app.get<{ Params: { '*': string } }>('/console/*', async ({ params, headers }, reply) => {
      const file = (await files()).get(params['*'] === '' ? 'index.html' : params['*'])
      if (!file && params['*'] === '') {
        reading = undefined
        return reply.status(404).type('text/plain').send('The page has not been built: npm run build\n')
      }
      if (!file) throw notFound('path')
      const isPacked = headers['accept-encoding']?.includes('gzip') ?? false
      return reply
        .headers({
          'content-type': file.type,
          'content-security-policy': policy,
          'cache-control': file.cacheControl,
          'x-content-type-options': 'nosniff',
          'referrer-policy': 'no-referrer',
          'cross-origin-opener-policy': 'same-origin',
          'permissions-policy': 'geolocation=(), camera=(), microphone=()',
          vary: 'accept-encoding',
          ...(isPacked ? { 'content-encoding': 'gzip' } : {}),
        })
        .send(isPacked ? file.packed : file.plain)
    })
  }
}

async function readFiles(directory: string): Promise<Map<string, PageFile>> {
  const names = await readdir(directory, { recursive: true }).catch(() => [])
  const known = names.filter((name) => extname(name) in TYPES)
  const read = await Promise.all(
    known.map(async (name): Promise<[string, PageFile]> => {
      const plain = await readFile(join(directory, name))
      const type = TYPES[extname(name)] as string
      // The build puts a digest of the content into the name of everything but the page.
      const cacheControl = name.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache'
      return [
        name.replaceAll('\\', '/'),
        { type, plain, packed: await gzip(plain, { level: 9 }), cacheControl },
      ]
    }),
  )
  return new Map(read)
}

/** Nothing inline, and nothing from elsewhere but the tiles that were asked for. */
function policyFor(tileUrl: string | null): string {
  const tiles = tileUrl === null ? '' : ` ${originOf(tileUrl)}`
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src 'self'${tiles}`,
    "connect-src 'self'",
    "media-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

/** `{s}` stands for a, b or c. */
function originOf(tileUrl: string): string {
  const [, origin = ''] = /^(https?:\/\/[^/]+)/.exec(tileUrl) ?? []
  return origin.replace(/\{s\}/g, '*')
}

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wav': 'audio/wav',
}
