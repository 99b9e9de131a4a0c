import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { root } from './support/broker.js'

/** Which other folders a folder may import from; packages are below. */
const MAY_IMPORT: Record<string, string[]> = {
  ops: [],
  store: ['ops'],
  auth: ['ops', 'store'],
  handlers: ['ops', 'store'],
  hooks: ['ops', 'store', 'auth'],
  http: ['ops', 'store', 'auth', 'handlers', 'hooks'],
  broker: ['ops', 'store', 'auth', 'handlers', 'hooks', 'http'],
}

/** Packages that one place alone may know; a place is a file or a folder that ends with a slash. */
const ONLY_IN: Record<string, string[]> = {
  aedes: ['broker/engine.ts'],
  'aedes-persistence': ['broker/engine-persistence.ts'],
  'aedes-persistence-redis': ['broker/engine-persistence.ts'],
  ioredis: ['store/redis/'],
  lmdb: ['store/embedded/'],
  ws: ['broker/websocket.ts', 'broker/doctor/'],
  commander: ['broker/cli/'],
  'mqtt-packet': ['broker/doctor/', 'broker/engine.ts'],
  'websocket-stream': ['broker/websocket.ts'],
  selfsigned: ['broker/certificate.ts'],
  pino: ['ops/'],
  'pino-pretty': ['ops/'],
  'prom-client': ['ops/'],
  'rate-limiter-flexible': ['auth/', 'handlers/'],
  uuid: ['auth/'],
}

const folders = Object.keys(MAY_IMPORT)
const files = folders.flatMap((folder) => {
  const inFolder = listSources(folder)
  return inFolder.map((path) => ({ path, folder, text: readFileSync(join(root, path), 'utf8') }))
})
const imports = files.flatMap(({ path, folder, text }) =>
  importsOf(text).map((name) => ({
    path,
    folder,
    target: name.startsWith('.') ? normalize(join(dirname(path), name)).replace(/\.js$/, '.ts') : name,
  })),
)

t.test('the import lines of every source file were found', async (t) => {
  for (const folder of ['ops', 'store', 'auth', 'handlers', 'hooks', 'broker'])
    t.ok(
      files.some((file) => file.folder === folder),
      folder,
    )
  for (const name of ['aedes', 'ioredis', 'lmdb', 'ws', 'store/store.ts', 'node:fs'])
    t.ok(
      imports.some(({ target }) => target === name),
      `somebody imports ${name}`,
    )
})

t.test(
  'ops ← store ← auth, handlers; auth ← hooks; all of them ← http, broker: nobody imports against the arrows',
  async (t) => {
    const against = imports.flatMap(({ path, folder, target }) => {
      const to = target.split('/', 1)[0] as string
      const isOurs = folders.includes(to) && target.endsWith('.ts')
      if (!isOurs || to === folder || MAY_IMPORT[folder]?.includes(to)) return []
      return [`${path} imports ${target}`]
    })
    t.strictSame(against, [])
  },
)

t.test('no source file imports a test, and none leaves the folders', async (t) => {
  const strange = imports.filter(
    ({ target }) => target.endsWith('.ts') && !folders.includes(target.split('/', 1)[0] as string),
  )
  t.strictSame(strange, [])
})

t.test('what is the business of one place alone is imported nowhere else', async (t) => {
  for (const [name, places] of Object.entries(ONLY_IN)) {
    const importers = imports.filter(({ target }) => packageOf(target) === name).map(({ path }) => path)
    t.strictSame(
      importers.filter(
        (path) => !places.some((place) => path === place || (place.endsWith('/') && path.startsWith(place))),
      ),
      [],
      `${name} belongs to ${places.join(', ')}`,
    )
  }
})

t.test('the gate knows neither the engine nor the parts behind it', async (t) => {
  const outside = imports.filter(
    ({ path, target }) =>
      path.startsWith('broker/gate/') && !target.startsWith('broker/gate/') && !target.startsWith('node:'),
  )
  t.strictSame(outside, [])
})

t.test('every package that is imported is one of the dependencies', async (t) => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const unknown = imports.flatMap(({ path, target }) => {
    if (target.endsWith('.ts') || target.startsWith('node:')) return []
    return packageOf(target) in dependencies ? [] : [`${path} imports ${target}`]
  })
  t.strictSame(unknown, [])
  for (const [name, version] of Object.entries(dependencies))
    t.match(version, /^\d+\.\d+\.\d+$/, `${name} has an exact version`)
})

t.test('the environment is read by the programs and nobody else', async (t) => {
  const readers = files.filter(({ text }) => /\bprocess\.env\b/.test(text)).map(({ path }) => path)
  t.strictSame(readers.toSorted(), [
    'broker/cli/connect-broker.ts',
    'broker/healthcheck.ts',
    'broker/main.ts',
    'broker/sign.ts',
  ])
})

function listSources(folder: string): string[] {
  try {
    return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
      .map((name) => join(folder, name))
  } catch {
    return [] // a folder of the design that is not there yet
  }
}

/** Import and re-export lines, also those over several lines, and import() calls. */
function importsOf(text: string): string[] {
  return [
    ...text.matchAll(/^(?:import|export)\b[^'"]*?\bfrom '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm),
  ].map(([, from, bare, called]) => (from ?? bare ?? called) as string)
}

function packageOf(target: string): string {
  const [first, second] = target.split('/')
  return target.startsWith('@') ? `${first}/${second}` : (first as string)
}
