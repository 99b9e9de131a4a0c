import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, statSync, symlinkSync, lstatSync, writeFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { temporaryDirectory } from '../support/broker.js'
import { runCli } from '../support/cli.js'

interface Entry extends Record<string, unknown> {
  appId: string
  secrets: string[]
  disabled?: boolean
}

const SECRET = 'a secret of thirty-two characters.'

t.test('an app is added with a secret of 256 random bits that is printed once', async (t) => {
  const { file, apps } = createFile(t, null)
  const { code, json } = await apps('add', 'my-app', '--json')
  t.equal(code, 0)
  const { secret } = json<{ secret: string }>()
  t.match(secret, /^[\w-]{43}$/)
  t.strictSame(read(file), [{ appId: 'my-app', secrets: [secret], disabled: false }])
  t.equal(statSync(file).mode & 0o777, 0o600)
  const list = await apps('list')
  t.match(list.output, /^my-app +1 +enabled$/m)
  t.notMatch(list.output, secret)
  t.strictSame(readdirSync(join(file, '..')), ['apps.json'], 'no lock and no half file is left')
})

t.test('rotation: a second secret, then the first one goes; each step says what is next', async (t) => {
  const { file, apps } = createFile(t, [{ appId: 'a', secrets: [SECRET] }])
  const { output } = await apps('rotate', 'a')
  const [, added] = read(file)[0]!.secrets
  t.match(output, added as string)
  t.match(output, /remove-secret a --oldest/)
  t.match((await apps('list')).output, /^a +2 \(rotating\) +enabled$/m)
  t.match(await apps('rotate', 'a'), { code: 1, errors: /rotating already/ })
  t.match(await apps('remove-secret', 'a'), { code: 2, errors: /--oldest or --newest/ })
  t.match(await apps('remove-secret', 'a', '--oldest'), { code: 0 })
  t.strictSame(read(file)[0]?.secrets, [added])
  t.match(await apps('remove-secret', 'a', '--newest'), { code: 1, errors: /has one secret/ })
  t.strictSame(read(file)[0]?.secrets, [added])
})

t.test('a rotation can be taken back, and a secret may come from a file', async (t) => {
  const { file, apps } = createFile(t, [{ appId: 'a', secrets: [SECRET] }])
  const own = `${file}.secret`
  writeFileSync(own, `${'x'.repeat(40)}\n`)
  t.equal((await apps('rotate', 'a', '--secret-file', own)).code, 0)
  t.strictSame(read(file)[0]?.secrets, [SECRET, 'x'.repeat(40)])
  t.equal((await apps('remove-secret', 'a', '--newest')).code, 0)
  t.strictSame(read(file)[0]?.secrets, [SECRET])
  writeFileSync(own, 'short')
  t.match(await apps('add', 'b', '--secret-file', own), { code: 1, errors: /at least 32 characters/ })
  t.equal(read(file).length, 1)
})

t.test('an app is disabled and enabled; what else stands in the file stays', async (t) => {
  const { file, apps } = createFile(t, [
    { appId: 'a', secrets: [SECRET] },
    { appId: 'b', secrets: ['b'], disabled: true },
  ])
  t.equal((await apps('disable', 'a')).code, 0)
  t.strictSame(read(file), [
    { appId: 'a', secrets: [SECRET], disabled: true },
    { appId: 'b', secrets: ['b'], disabled: true },
  ])
  t.equal((await apps('enable', 'a')).code, 0)
  t.equal(read(file)[0]?.disabled, false)
  t.match(await apps('disable', 'nobody'), { code: 1, errors: /no app nobody/ })
  t.match(await apps('add', 'a'), { code: 1, errors: /there is an app a already/ })
  t.match(await apps('add', 'a:b'), { code: 1, errors: /colon/ })
})

t.test('a broken file is not written over, and never quoted', async (t) => {
  const { file, apps } = createFile(t, null)
  const broken = `{"apps":[{"appId":"a","secrets":["${SECRET}"`
  writeFileSync(file, broken)
  const result = await apps('add', 'b')
  t.match(result, { code: 1, errors: /APPS_FILE: not JSON/ })
  t.notMatch(result.errors, SECRET)
  t.equal(readFileSync(file, 'utf8'), broken)
})

t.test('on a full disk the file stays as it was', async (t) => {
  const disk = temporaryDirectory(t)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], { stdio: 'pipe' })
  } catch (error) {
    return t.pass('a small file system', { skip: String((error as { stderr?: Buffer }).stderr) })
  }
  t.teardown(() => execFileSync('umount', [disk]))
  const file = join(disk, 'apps.json')
  // More than the pages that are left once this and the lock are there.
  const before = JSON.stringify({ apps: [{ appId: 'a', secrets: ['x'.repeat(40_000)] }] })
  writeFileSync(file, before)
  t.match(await runCli(t, ['apps', 'add', 'b'], { APPS_FILE: file }), {
    code: 1,
    errors: /no space left \(ENOSPC\)/,
  })
  t.equal(readFileSync(file, 'utf8'), before)
  t.strictSame(readdirSync(disk), ['apps.json'])
})

t.test('commands at the same time wait for each other: none is lost', async (t) => {
  const { file, apps } = createFile(t, null)
  const names = ['a', 'b', 'c']
  const results = await Promise.all(names.map((name) => apps('add', name)))
  t.strictSame(
    results.map(({ code }) => code),
    [0, 0, 0],
  )
  t.strictSame(
    read(file)
      .map(({ appId }) => appId)
      .toSorted(),
    names,
  )
})

t.test('a lock whose holder is gone holds nobody up, and a link stays a link', async (t) => {
  const { file, apps } = createFile(t, [{ appId: 'a', secrets: [SECRET] }])
  writeFileSync(`${file}.lock`, '999999999')
  const link = join(file, '..', 'link.json')
  symlinkSync(file, link)
  const { code } = await runCli(t, ['apps', 'disable', 'a'], { APPS_FILE: link })
  t.equal(code, 0)
  t.equal(read(file)[0]?.disabled, true)
  t.ok(lstatSync(link).isSymbolicLink())
  rmSync(link)
  t.equal((await apps('enable', 'a')).code, 0)
})

function createFile(t: Test, entries: Entry[] | null) {
  const file = join(temporaryDirectory(t), 'apps.json')
  if (entries) writeFileSync(file, JSON.stringify({ apps: entries }))
  return { file, apps: (...args: string[]) => runCli(t, ['apps', ...args], { APPS_FILE: file }) }
}

function read(file: string): Entry[] {
  return (JSON.parse(readFileSync(file, 'utf8')) as { apps: Entry[] }).apps
}
