import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from './support/broker.js'

/**
 * Package, first version without the hole, advisory. `since`: where the hole came in, for packages whose older lines have
 * fixes of their own.
 */
const KNOWN_BAD: { name: string; fixed: string; since?: string; advisory: string }[] = [
  { name: 'ws', fixed: '8.21.0', advisory: 'no version below it is used here' },
  { name: 'ws', fixed: '8.17.1', since: '8.0.0', advisory: 'GHSA-3h5v-q93c-6h6q' },
  { name: 'fastify', fixed: '5.8.1', since: '5.7.2', advisory: 'GHSA-573f-x89g-hqp9' },
  { name: 'fastify', fixed: '5.7.2', advisory: 'CVE-2026-25223' },
  { name: 'fast-uri', fixed: '3.1.1', since: '3.0.0', advisory: 'GHSA-q3j6-qgpj-74h6' },
  { name: 'fast-uri', fixed: '3.1.2', since: '3.0.0', advisory: 'GHSA-v39h-62p7-jpjc' },
  { name: 'fast-uri', fixed: '3.1.3', since: '2.3.1', advisory: 'GHSA-4c8g-83qw-93j6' },
  { name: 'fast-uri', fixed: '4.0.1', since: '4.0.0', advisory: 'GHSA-4c8g-83qw-93j6' },
  { name: 'cookie', fixed: '0.7.0', advisory: 'CVE-2024-47764' },
]

interface LockedPackage {
  version?: string
  dev?: boolean
  dependencies?: Record<string, string>
}

const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, LockedPackage>
}
const direct = Object.keys(packages['']?.dependencies ?? {})
const shipped = Object.entries(packages)
  .filter(([path, { dev }]) => path !== '' && dev !== true)
  .map(([path, { version = '' }]) => ({ name: path.slice(path.lastIndexOf('node_modules/') + 13), version }))
const [ours = '', theirs = ''] = readFileSync(join(root, 'docs/dependencies.md'), 'utf8').split(
  '## What they bring',
)

t.test('the lock file was read', async (t) => {
  t.ok(direct.length >= 15)
  for (const name of ['aedes', 'ws', 'mqtt-packet', 'fast-uri', 'cookie'])
    t.ok(
      shipped.some((one) => one.name === name),
      name,
    )
  t.notOk(
    shipped.some(({ name }) => name === 'tap' || name === 'typescript'),
    'without what is for development',
  )
})

t.test('aedes is 1.2.0, once', async (t) => {
  t.strictSame(
    shipped.filter(({ name }) => name === 'aedes'),
    [{ name: 'aedes', version: '1.2.0' }],
  )
})

t.test('no package is shipped in a version with a known hole', async (t) => {
  for (const { name, fixed, since = '0.0.0', advisory } of KNOWN_BAD) {
    const versions = shipped.filter((one) => one.name === name).map(({ version }) => version)
    t.ok(versions.length > 0, `${name} is shipped: a row of a package that is gone has to go`)
    for (const version of versions)
      t.notOk(
        isBelow(version, fixed) && !isBelow(version, since),
        `${name} ${version}: ${advisory}, fixed in ${fixed}`,
      )
  }
})

t.test('versions are compared by number', async (t) => {
  t.ok(isBelow('8.9.0', '8.21.0'))
  t.ok(isBelow('0.9.9', '1.0.0'))
  t.notOk(isBelow('8.21.0', '8.21.0'))
  t.notOk(isBelow('10.0.0', '9.9.9'))
})

t.test('every direct dependency has its row: what for, why, who keeps it, what instead', async (t) => {
  const rows = ours.split('\n').filter((line) => line.startsWith('| `'))
  const described = rows.flatMap((row) => {
    const [, names = '', ...cells] = row.split('|').map((cell) => cell.trim())
    t.equal(cells.length, 5, `${names}: four cells behind the name`)
    t.ok(
      cells.slice(0, 4).every((cell) => cell.length > 2),
      `${names}: none is empty`,
    )
    return namesIn(names)
  })
  t.strictSame(described.toSorted(), direct.toSorted())
})

t.test('every package that they bring is listed under the one that brings it, and no other', async (t) => {
  const items = theirs.split('\n').filter((line) => line.startsWith('- `'))
  const listed = items.flatMap((item) => {
    const [by = '', brought = ''] = item.split(':')
    for (const name of namesIn(by)) t.ok(direct.includes(name), `${name} is a direct dependency`)
    return namesIn(brought)
  })
  const brought = new Set(shipped.map(({ name }) => name).filter((name) => !direct.includes(name)))
  t.strictSame(listed.toSorted(), [...brought].toSorted())
})

function namesIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string)
}

function isBelow(version: string, other: string): boolean {
  const [a, b] = [version, other].map((text) => text.split('.').map(Number))
  for (let i = 0; i < 3; i++) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}
