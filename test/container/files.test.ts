import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { readConfig, SETTINGS } from '../../broker/config.js'
import { root, temporaryDirectory } from '../support/broker.js'
import { isBroker, readCompose } from '../support/compose.js'

const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8').replaceAll('\\\n', ' ')
const shipped = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '))
const COMPOSE_FILES = ['compose.yaml', 'compose.two-nodes.yaml']

t.test('the broker in the image is not root and is the first process', async (t) => {
  const [user] = instructions('USER')
  t.match(user, /^[1-9]\d*:[1-9]\d*$/, 'a number, which an orchestrator can compare with 0')
  for (const name of ['CMD', 'HEALTHCHECK']) {
    const [text = ''] = instructions(name)
    const command = JSON.parse(text.slice(text.indexOf('['))) as string[] // a shell form would not parse
    t.equal(command[0], 'node', `${name} is no shell`)
    readFileSync(join(root, command[1] as string)) // throws when the program is not there
  }
})

t.test('ports and settings of the image are those that the configuration knows', async (t) => {
  const ports = Object.entries(SETTINGS)
    .filter(([name]) => name.endsWith('_PORT'))
    .map(([, { fallback }]) => fallback)
  t.strictSame(instructions('EXPOSE').join(' ').split(' ').toSorted(), ports.toSorted())
  const names = [
    ...instructions('ENV')
      .join(' ')
      .matchAll(/(\w+)=/g),
  ].map(([, name]) => name as string)
  t.strictSame(
    names.filter((name) => !(name in SETTINGS)),
    ['PATH', 'NODE_ENV'],
  )
  t.strictSame(instructions('VOLUME'), [/DATA_DIR=(\S+)/.exec(shipped)?.[1]])
})

t.test('the builder gets what the programs of the broker are made of, and nothing else', async (t) => {
  const folders = new Set<string>()
  const seen = new Set<string>()
  const visit = (path: string) => {
    if (seen.has(path)) return
    seen.add(path)
    folders.add(path.split('/', 1)[0] as string)
    const text = readFileSync(join(root, path), 'utf8')
    for (const [, name = ''] of text.matchAll(/(?:from|import\() ?'(\.[^']+)\.js'/g))
      visit(`${normalize(join(dirname(path), name))}.ts`)
  }
  for (const program of ['main', 'sign', 'healthcheck']) visit(`broker/${program}.ts`)
  t.ok(folders.size >= 5, 'imports were followed')
  const lines = readFileSync(join(root, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  t.equal(lines[0], '*', 'all is kept out but what is named')
  t.strictSame(
    lines.filter((line) => line.startsWith('!')).toSorted(),
    [
      '.npmrc',
      'console',
      'package-lock.json',
      'package.json',
      'scripts/build-console.mjs',
      'tsconfig.json',
      ...folders,
    ]
      .map((name) => `!${name}`)
      .toSorted(),
  )
})

for (const name of COMPOSE_FILES) {
  const { services, volumes, secrets } = readCompose(name)
  const brokers = Object.values(services).filter(isBroker)

  t.test(`${name}: the broker would take every setting`, async (t) => {
    t.ok(brokers.length > 0)
    const url = join(temporaryDirectory(t), 'redis-url')
    writeFileSync(url, 'redis://:password@redis:6379\n')
    for (const { environment = {}, secrets: used = [] } of brokers) {
      for (const variable of Object.keys(environment))
        t.ok(variable in SETTINGS || variable.replace(/_FILE$/, '') in SETTINGS, `${variable} is a setting`)
      const config = readConfig({ ...environment, REDIS_URL_FILE: url })
      t.equal(config.redisUrl, 'redis://:password@redis:6379')
      t.ok(
        used.includes(environment.REDIS_URL_FILE?.replace('/run/secrets/', '') ?? ''),
        'the secret is mounted',
      )
    }
  })

  t.test(`${name}: every service runs with as little as it can and comes back by itself`, async (t) => {
    for (const [service, definition] of Object.entries(services)) {
      t.match(definition, { read_only: true, restart: 'unless-stopped', cap_drop: ['ALL'] }, service)
      t.strictSame(definition.security_opt, ['no-new-privileges:true'], service)
      for (const secret of definition.secrets ?? [])
        t.match(
          secrets[secret]?.file,
          /^\.\/secrets\//,
          `${secret} lies where git and the builder do not look`,
        )
      for (const volume of definition.volumes ?? []) {
        const [source = ''] = volume.split(':')
        t.ok(source.startsWith('./') || source in volumes, `${service}: ${source} is declared`)
      }
    }
    for (const { stop_grace_period: grace } of brokers)
      t.ok(parseInt(grace ?? '', 10) > 10, 'longer than the broker takes to end by itself')
    const admin = Object.values(services)
      .flatMap(({ ports = [] }) => ports)
      .filter((port) => port.endsWith(':9090'))
    t.ok(
      admin.every((port) => port.startsWith('127.0.0.1:')),
      'the admin port is not for the network',
    )
  })
}

t.test('two nodes have a data directory each, and believe the balancer alone', async (t) => {
  const { services } = readCompose('compose.two-nodes.yaml')
  const brokers = Object.values(services).filter(isBroker)
  const dataDirs = brokers.map(({ volumes = [] }) => volumes.find((volume) => volume.endsWith(':/data')))
  t.equal(new Set(dataDirs).size, 2)
  t.notOk(dataDirs.includes(undefined))
  for (const { environment, ports } of brokers) {
    t.equal(environment?.PROXY_NETWORKS, `${services.balancer?.networks?.default.ipv4_address}/32`)
    t.equal(ports, undefined, 'nobody reaches a broker past the balancer')
  }
})

t.test('the balancer serves every port that it publishes from both nodes, with a PROXY header', async (t) => {
  const { services } = readCompose('compose.two-nodes.yaml')
  const proxy = readFileSync(join(root, 'deploy/haproxy.cfg'), 'utf8')
  t.match(proxy, /^ {2}default-server send-proxy-v2 check port 9090 /m)
  const listens = proxy.split(/^listen /m).slice(1)
  const nodes = Object.keys(services).filter((name) => isBroker(services[name] ?? {}))
  for (const port of (services.balancer?.ports ?? []).map((published) => published.split(':').at(-1))) {
    const listen = listens.find((text) => text.includes(`bind :${port}\n`)) ?? ''
    const servers = [...listen.matchAll(/^ {2}server (\S+) \1:(\d+)$/gm)].map(
      ([, name, to]) => `${name} ${to}`,
    )
    t.strictSame(
      servers,
      nodes.map((node) => `${node} ${port}`),
      `port ${port}`,
    )
  }
})

/** What stands behind an instruction of the last stage, each time it is used. */
function instructions(name: string): string[] {
  return [...shipped.matchAll(new RegExp(`^${name} +(.*)$`, 'gm'))].map(([, text]) => text as string)
}
