import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import mqtt from 'mqtt'
import type { MqttClient } from 'mqtt'
import { chromium } from 'playwright-core'
import type { Page } from 'playwright-core'
import { signUser } from '../../auth/identity.js'
import { logInOnPage } from '../../test/support/browser.js'

export interface PageOptions {
  chromium: string
  ports: { mqtt: number; http: number }
  appId: string
  secret: string
  incidents: number
  /** A folder for pictures of the page; null for none. */
  screenshots: string | null
}

/** Opens that many incidents over MQTT and looks at the page with them; times are in milliseconds. */
export async function measurePage(options: PageOptions): Promise<Record<string, string | number>> {
  const { ports, appId, secret, incidents, screenshots } = options
  const phone = (user: string) =>
    mqtt.connectAsync(`mqtt://127.0.0.1:${ports.mqtt}`, {
      protocolVersion: 5,
      username: `sdk:${appId}:${user}`,
      password: signUser(secret, user),
      reconnectPeriod: 0,
    })
  const browser = await chromium.launch({
    executablePath: options.chromium,
    args: ['--no-sandbox', '--mute-audio', '--autoplay-policy=no-user-gesture-required', '--disable-gpu'],
  })
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-GB' })
    page.setDefaultTimeout(120_000)
    await page.goto(`http://127.0.0.1:${ports.http}/console/`)
    await logInOnPage(page, appId, secret, 'Marta')
    await page.getByText('No open SOS').waitFor()
    if (screenshots) await takePictures(page, phone, screenshots)
    const alone = await untilShown(page, phone, 'the first')

    for (let at = 0; at < incidents; at += 50)
      await Promise.all(
        Array.from({ length: Math.min(50, incidents - at) }, async (_, i) => {
          const client = await phone(`person ${at + i}`)
          await report(client, 40 + ((at + i) % 30) / 10, 1 + ((at + i) % 47) / 10)
          await client.endAsync()
        }),
      )
    await page
      .locator('.badge')
      .getByText(/^10\d\d$/)
      .waitFor()
    const began = performance.now()
    await page.reload()
    await page.locator('.row').first().waitFor()
    const loaded = Math.round(performance.now() - began)
    const rows = await page.locator('.row').count()
    const nodes = await page.evaluate<number>("document.getElementsByTagName('*').length")
    const frames = await page.evaluate<number[]>(SCROLL)
    const sorted = frames.toSorted((a, b) => a - b)
    const last = await untilShown(page, phone, 'the last')
    const heap = await page.evaluate<number>('performance.memory.usedJSHeapSize')
    return {
      'SOS written by the phone until it is shown, page empty, ms': alone,
      [`the same with ${incidents} open, ms`]: last,
      [`reload with ${incidents} open until rows are shown, ms`]: loaded,
      'rows in the document': rows,
      'elements in the document': nodes,
      'frames while scrolling through all of them': frames.length,
      'median frame, ms': Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0),
      '99th percentile of frames, ms': Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0),
      'longest frame, ms': Math.round(sorted.at(-1) ?? 0),
      'heap, MB': (heap / 1e6).toFixed(1),
    }
  } finally {
    await browser.close()
  }
}

async function untilShown(
  page: Page,
  phone: (user: string) => Promise<MqttClient>,
  user: string,
): Promise<number> {
  const client = await phone(user)
  const shown = page.locator('.row .name').getByText(user, { exact: true }).waitFor()
  const began = performance.now()
  await report(client, 41.4, 2.2)
  await shown
  const took = Math.round(performance.now() - began)
  await client.endAsync()
  return took
}

async function takePictures(page: Page, phone: (user: string) => Promise<MqttClient>, directory: string) {
  mkdirSync(directory, { recursive: true })
  await page.getByRole('button', { name: 'Reception' }).click()
  await page.getByRole('region', { name: 'Web hook desk' }).getByText('delivering').waitFor()
  await page.getByRole('button', { name: 'Incidents' }).click()
  const client = await phone('alice')
  await client.subscribeAsync('sos/events/alice', { qos: 1 })
  await report(client, 42.57, 1.48, {
    message: 'Fell, cannot walk',
    mobileBattery: 38,
    horizontalAccuracyMeters: 90,
  })
  const bob = await phone('bob')
  await report(bob, 42.553, 1.455, { mobileBattery: 71 })
  await page.locator('.row').filter({ hasText: 'alice' }).click()
  for (let n = 0; n < 6; n++) {
    const at = { latitude: 42.57 + n * 0.0015, longitude: 1.48 + n * 0.0022 - (n % 2) * 0.001 }
    const fields = {
      ...at,
      timestamp: new Date().toISOString(),
      horizontalAccuracyMeters: 90,
      mobileBattery: 37,
    }
    await client.publishAsync('tel/data', JSON.stringify(fields), { qos: 1 })
    await page.locator(`.map[data-at="${at.latitude},${at.longitude}"]`).waitFor()
  }
  await page.getByRole('button', { name: 'Acknowledge' }).click()
  await page.getByRole('dialog').getByLabel('Note').fill('Helicopter is on its way')
  await page.getByRole('dialog').getByRole('button', { name: 'Acknowledge' }).click()
  await page.locator('.story > li').first().getByText('taken by web hook desk').waitFor()
  await page.setViewportSize({ width: 1280, height: 1120 })
  await page.locator('.row').filter({ hasText: 'alice' }).click()
  await page.waitForTimeout(500) // the map draws its tiles
  await page.screenshot({ path: join(directory, 'console.png') })
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.setViewportSize({ width: 390, height: 844 })
  await page.getByLabel('Language').selectOption('es')
  await page.waitForTimeout(500) // the map draws its tiles
  await page.screenshot({ path: join(directory, 'console-phone.png') })
  await page.getByLabel('Idioma').selectOption('en')
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 1280, height: 800 })
  await Promise.all([client.endAsync(), bob.endAsync()])
}

async function report(client: MqttClient, latitude: number, longitude: number, fields: object = {}) {
  const payload = { timestamp: new Date().toISOString(), latitude, longitude, altitude: 0, ...fields }
  await client.publishAsync('sos/alerts', JSON.stringify(payload), { qos: 1 })
}

/** Scrolls the list from its top to its end, a good part of its height in each frame; resolves with the time of each. */
const SCROLL = `new Promise((resolve) => {
  const box = document.querySelector('.rows')
  const frames = []
  let before = performance.now()
  const step = (now) => {
    frames.push(now - before)
    before = now
    const top = box.scrollTop
    box.scrollTop = top + 300
    if (box.scrollTop === top) {
      box.scrollTop = 0 // where a new one appears
      resolve(frames.slice(1))
    } else requestAnimationFrame(step)
  }
  requestAnimationFrame(step)
})`
