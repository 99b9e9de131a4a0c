/** An answer that is no success; 0 when there was none. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

export const apiUrl = (path: string) => new URL(`api/${path}`, document.baseURI)

export function getJson<Answer>(path: string): Promise<Answer> {
  return ask<Answer>(path, { method: 'GET' })
}

/** The header is one that no form of another page can send. */
export function postJson<Answer>(path: string, body: object = {}, limitMs = LIMIT_MS): Promise<Answer> {
  return ask<Answer>(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-console': '1' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(limitMs),
  })
}

export const appPath = (appId: string, rest: string) => `apps/${encodeURIComponent(appId)}/${rest}`

async function ask<Answer>(path: string, init: RequestInit): Promise<Answer> {
  let response: Response
  try {
    response = await fetch(apiUrl(path), { signal: AbortSignal.timeout(LIMIT_MS), ...init })
  } catch {
    throw new ApiError(0, 'no answer')
  }
  const body: unknown = response.status === 204 ? null : await response.json().catch(() => null)
  if (response.ok) return body as Answer
  const { error } = (body ?? {}) as { error?: { message?: string } }
  throw new ApiError(response.status, error?.message ?? response.statusText)
}

const LIMIT_MS = 15_000
