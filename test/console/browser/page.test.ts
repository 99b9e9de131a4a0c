import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import t from 'tap'
import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import { connectPhone, sdkOf, startNodes } from '../../support/api.js'
import { createWebhookApps, startReceiver, WEBHOOK_ENV } from '../../support/webhook-receiver.js'
import { launchBrowser, logInOnPage, openPage } from '../../support/browser.js'

const SECRET_A = 'old secret of a'
/** Whatever somebody calls himself or says is text, and turns around no word beside it. */
const ANN = '<i>\u202eann'
const MARKUP = '<img src=x onerror=alert(1)>'
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

t.test('the live page in a real browser', async (t) => {
  const receiver = await startReceiver(t)
  receiver.answer = () => 422
  const [broker] = await startNodes(t, 'embedded store', {
    LIMIT_LOOPBACK: 'true',
    LOGIN_FAILURES_PER_IDENTITY: '3',
    ...WEBHOOK_ENV,
    WEBHOOK_GIVE_UP_S: '1',
    APPS_FILE: createWebhookApps(t, [
      { id: 'desk', url: `${receiver.url}?key=hidden`, secrets: [receiver.secret] },
    ]).file,
  })
  const browser = await launchBrowser(t)
  const page = await openPage(t, browser, broker)
  const second = await openPage(t, browser, broker)
  const ann = await connectPhone(t, broker, broker.credentials(ANN, 'app-a', SECRET_A))

  await t.test('a wrong secret does not get in, and after too many not even the right one', async (t) => {
    const visitor = await openPage(t, browser, broker)
    for (let i = 0; i < 3; i++) {
      await logInOnPage(visitor, 'app-b', `guess ${i}`)
      await visitor.getByText('That was not right.').waitFor()
      await visitor.reload()
    }
    await logInOnPage(visitor, 'app-b', 'secret of b')
    await visitor.getByText('Too many failed logins').waitFor()
    t.equal(await visitor.locator('.page').count(), 0)
  })

  await t.test('login shows an empty list that says so', async (t) => {
    await axe(t, page, 'login')
    await Promise.all([logInOnPage(page, 'app-a', SECRET_A, 'Marta'), logInOnPage(second, 'app-a', SECRET_A)])
    await Promise.all([page, second].map((one) => one.getByText('No open SOS').waitFor()))
    await silent(page)
    t.equal(await page.title(), 'Open SOS')
  })

  await t.test('an SOS over MQTT appears on both pages without a reload, with its alarm', async (t) => {
    await ann.report({
      message: `I fell ${MARKUP}`,
      deviceId: MARKUP,
      mobileBattery: 12,
      timestamp: new Date().toISOString(),
    })
    for (const one of [page, second]) {
      const row = one.locator('.row')
      await row.waitFor()
      t.match(await row.textContent(), /<i>ann.*SOS.*phone 12 %.*I fell <img/)
      await sounding(one)
      await titled(one, /^🔴 SOS 1/)
    }
    await second.getByLabel('Find').fill('nobody')
    await second.getByText('Nothing found. Open: 1').waitFor()
    await second.getByLabel('Find').fill('')
    await second.locator('.row').waitFor()
  })

  await t.test('the alarm can be silenced on one page, and sounds on at the other', async (t) => {
    await page.getByRole('button', { name: /Silence the alarm/ }).click()
    await silent(page)
    await titled(page, /^\(1\) Open SOS$/)
    await sounding(second)
    t.match(await second.title(), /SOS/)
  })

  await t.test('map, accuracy and trail follow the telemetry', async (t) => {
    await page.locator('.row').click()
    const map = page.locator('.map[data-trail="1"]')
    await map.waitFor()
    for (let n = 1; n <= 3; n++) {
      await ann.telemetry({
        timestamp: new Date().toISOString(),
        latitude: 41.4 + n / 1_000,
        longitude: 2.2,
        horizontalAccuracyMeters: 30 + n,
      })
      await page.locator(`.map[data-at="${41.4 + n / 1_000},2.2"][data-trail="${n + 1}"]`).waitFor()
      await page.getByText(`within ${30 + n} m`).waitFor()
    }
    t.equal(await page.locator('.map').getAttribute('data-dots'), '1')
  })

  await t.test('nothing serious is wrong for whoever cannot see or use a mouse', async (t) => {
    await axe(t, page, 'an incident')
    await page.emulateMedia({ colorScheme: 'dark' })
    // What is painted takes part.
    await page.waitForFunction(`(() => {
      const tile = document.querySelector('canvas.leaflet-tile')
      return tile && tile.getContext('2d').getImageData(128, 128, 1, 1).data[0] < 80
    })()`)
    await axe(t, page, 'an incident in the dark')
    await page.emulateMedia({ colorScheme: 'light' })
    for (const view of ['People', 'Reception']) {
      await page.getByRole('button', { name: view }).click()
      await page.locator('.people, .reception h2').first().waitFor()
      await axe(t, page, view)
    }
    await page.getByRole('button', { name: 'Incidents' }).click()
    await page.locator('.row').focus()
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Acknowledge' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await axe(t, page, 'the question')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  })

  await t.test('acknowledge, with a note, reaches the phone and the other page', async (t) => {
    t.match(await ann.next(), { type: 'processed' })
    await page.getByRole('button', { name: 'Acknowledge' }).click()
    await page.getByRole('dialog').getByLabel('Note').fill(`helicopter is on its way ${MARKUP}`)
    await page.getByRole('dialog').getByRole('button', { name: 'Acknowledge' }).click()
    t.match(await ann.next(), { type: 'acknowledged' })
    await second.locator('.row.acknowledged').waitFor()
    await silent(second)
    const entry = page.locator('.story > li').first()
    await entry.getByText('helicopter is on its way').waitFor()
    t.match(await entry.textContent(), /acknowledged by console \(Marta\)/)
  })

  await t.test(
    'what a web hook did not take is in the story and in the strip, and is sent again',
    async (t) => {
      for (const what of ['sent to the person’s sessions: 1', 'given up for web hook desk: status 422'])
        await page.locator('.story > li').last().getByText(what).waitFor()
      await page.locator('.health.warn').getByText('web hook fails: app-a/desk').waitFor()
      await page.getByRole('button', { name: 'Reception' }).click()
      const hook = page.getByRole('region', { name: 'Web hook desk' })
      await hook.getByText('Not delivered, given up: 2').waitFor()
      t.match(await hook.textContent(), /http:\/\/127\.0\.0\.1:\d+ · has given events up.*status 422/)
      t.notMatch(await page.locator('body').textContent(), /hidden|hook\?/, 'neither path nor query')
      await axe(t, page, 'web hooks')
      receiver.answer = () => 200
      await hook.getByRole('button', { name: 'Send all again' }).click()
      await axe(t, page, 'the question about dead letters')
      await page.getByRole('dialog').getByRole('button', { name: 'Send all again' }).click()
      await page.locator('.health:not(.warn)').waitFor()
      await hook.getByText('Not delivered').waitFor({ state: 'detached' })
      t.strictSame(
        receiver.deliveries.slice(-2).map(({ event }) => event.type),
        ['processed', 'acknowledged'],
      )
      await page.getByRole('button', { name: 'Incidents' }).click()
      await page.locator('.row').click()
      await page.locator('.story > li').first().getByText('taken by web hook desk').waitFor()
    },
  )

  await t.test('a drill is shown as one, and neither sounds nor counts', async (t) => {
    const doctor = await connectPhone(
      t,
      broker,
      broker.credentials('connect-broker-doctor', 'app-a', SECRET_A),
    )
    await doctor.report()
    const row = page.locator('.row.drill')
    await row.getByText('DRILL').waitFor()
    await silent(page)
    t.equal(await page.title(), '(1) Open SOS')
    t.equal(await page.locator('.badge').textContent(), '1')
    await axe(t, page, 'a drill')
    await page.getByRole('button', { name: 'People' }).click()
    await page
      .locator('.person')
      .filter({ hasText: 'connect-broker-doctor' })
      .getByText(/position .* old/)
      .waitFor()
    await page.getByRole('button', { name: 'Incidents' }).click()
    await page.locator('.row').filter({ hasText: '<i>ann' }).click()
    await sdkOf(broker, broker.credentials('connect-broker-doctor', 'app-a', SECRET_A)).post('/sos/cancel')
    await row.waitFor({ state: 'detached' })
  })

  await t.test('a stolen cookie of app A shows nothing of app B', async (t) => {
    const bo = await connectPhone(t, broker, broker.credentials('bo-of-b', 'app-b', 'secret of b'))
    await bo.report()
    t.match(await bo.next(), { type: 'processed' })
    const thief = await openPage(t, browser, broker)
    await thief.context().addCookies(await page.context().cookies())
    await thief.reload()
    await thief.locator('.row').waitFor()
    t.equal(await thief.locator('.row').count(), 1)
    t.notMatch(await thief.locator('body').textContent(), 'bo-of-b')
    const asked = await thief.evaluate(
      "fetch('/console/api/apps/app-b/incidents').then(({ status }) => status)",
    )
    t.equal(asked, 404)
    t.notOk(await thief.evaluate('document.cookie'), 'no script can read the cookie')
  })

  await t.test('a tab too many says so and leaves the others their connections', async (t) => {
    const tabs: Page[] = []
    for (let n = 0; n < 3; n++) {
      const tab = await second.context().newPage()
      await tab.goto(second.url())
      await tab.locator('.row').waitFor()
      tabs.push(tab)
    }
    const last = await second.context().newPage()
    await last.goto(second.url())
    await last.locator('.health.bad').getByText('Too many tabs').waitFor()
    await tabs.pop()?.close()
    await last.locator('.row').waitFor()
    for (const tab of [...tabs, last]) await tab.close()
    t.equal(await second.locator('.row').count(), 1)
  })

  await t.test('resolve takes it off every page; Spanish and a phone-sized window work', async (t) => {
    await page.getByRole('button', { name: 'Resolve' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Resolve' }).click()
    t.match(await ann.next(), { type: 'resolved' })
    await second.getByText('No open SOS').waitFor()
    await second.getByLabel('Language').selectOption('es')
    await second.getByText('Ningún SOS abierto').waitFor()
    t.equal(await second.locator('html').getAttribute('lang'), 'es')
    await second.setViewportSize({ width: 360, height: 700 })
    await axe(t, second, 'on a phone')
    const overflow = await second.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
    t.ok(overflow <= 0, 'nothing sticks out')
  })

  await t.test('a broker that is gone shows at once, and the page comes back by itself', async (t) => {
    broker.child.kill('SIGSTOP')
    await page.locator('.health.bad').getByText('NOT CONNECTED').waitFor()
    t.notMatch(
      await page.locator('.health').textContent(),
      'broker ready',
      'what it said last is not told for now',
    )
    broker.child.kill('SIGCONT')
    await page.locator('.health:not(.bad)').getByText('live').waitFor()
    t.equal(await page.locator('.page').count(), 1, 'still logged in')
  })

  t.strictSame([...page.foreign, ...second.foreign], [], 'no request left the page’s own origin')
})

/** The alarm's own events say whether it plays. */
const sounding = (page: Page) => page.locator('#alarm[data-sounding]').waitFor({ state: 'attached' })
const silent = (page: Page) => page.locator('#alarm:not([data-sounding])').waitFor({ state: 'attached' })

async function titled(page: Page, title: RegExp): Promise<void> {
  while (!title.test(await page.title())) await page.waitForTimeout(100)
}

/** Fails for what axe calls serious or critical. */
async function axe(t: Test, page: Page, where: string): Promise<void> {
  await page.evaluate(axeSource)
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(): Promise<{
          violations: { id: string; impact: string; nodes: { html: string }[] }[]
          passes: unknown[]
        }>
      }
    }
    const { violations, passes } = await axe.run()
    return {
      passes: passes.length,
      serious: violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`),
    }
  })
  t.ok(found.passes > 5, `${where}: axe has looked`)
  t.strictSame(found.serious, [], where)
}
