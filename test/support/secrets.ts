import { readFileSync } from 'node:fs'

/** Shorter ones of tests stand in texts by chance. */
const SECRET_LENGTH_MIN = 8

/** The secrets of an apps file as it is now; none while it cannot be read. */
export function secretsIn(appsFile: string): string[] {
  try {
    const { apps } = JSON.parse(readFileSync(appsFile, 'utf8')) as {
      apps: { secrets: string[]; webhooks?: { url: string; secrets: string[] }[] }[]
    }
    return apps.flatMap(({ secrets, webhooks = [] }) => [
      ...secrets,
      ...webhooks.flatMap((hook) => [hook.url, ...hook.secrets]),
    ])
  } catch {
    return [] // a test of broken apps files
  }
}

/** The password of a REDIS_URL that has one. */
export function passwordIn(redisUrl: string | undefined): string[] {
  const password = /^[a-z+]+:\/\/[^/@]*:([^/@]+)@/.exec(redisUrl ?? '')?.[1]
  return password === undefined ? [] : [password, decodeURIComponent(password)]
}

/** What stands around the first secret that occurs in the text, as it is, in JSON, Base64 or a URL. */
export function leaked(text: string, secrets: Iterable<string>): string | undefined {
  for (const secret of secrets) {
    if (typeof secret !== 'string' || secret.length < SECRET_LENGTH_MIN) continue
    const forms = [
      secret,
      JSON.stringify(secret).slice(1, -1),
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    ]
    for (const form of forms) {
      const at = text.indexOf(form)
      if (at >= 0) return text.slice(Math.max(0, at - 100), at + form.length + 100)
    }
  }
  return undefined
}
