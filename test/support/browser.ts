import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import type { Test } from 'tap'
import type { Broker } from './broker.js'

/** A real browser, closed when the test ends. It may play sound before anybody has clicked. */
export async function launchBrowser(t: Test): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // Without a sandbox of its own, which root and containers do not let it have: it sees nothing but this broker.
    args: ['--no-sandbox', '--mute-audio', '--autoplay-policy=no-user-gesture-required', '--disable-gpu'],
  })
  t.teardown(() => browser.close())
  return browser
}

/** The page of a new visitor. What goes wrong on it fails the test; `foreign` collects requests to other origins. */
export async function openPage(
  t: Test,
  browser: Browser,
  broker: Broker,
): Promise<Page & { foreign: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB' })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const origin = `http://127.0.0.1:${broker.ports.http}`
  const foreign: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(`${origin}/console/`)) foreign.push(request.url())
  })
  page.on('pageerror', (error) => t.fail(`on the page: ${error.message}`))
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) t.fail(message.text())
  })
  await page.goto(`${origin}/console/`)
  return Object.assign(page, { foreign })
}

export async function logInOnPage(page: Page, appId: string, secret: string, who = ''): Promise<void> {
  await page.getByLabel('App id').fill(appId)
  await page.getByLabel('App secret', { exact: true }).last().fill(secret)
  await page.getByLabel('Your name').fill(who)
  await page.getByRole('button', { name: 'Log in' }).click()
}
