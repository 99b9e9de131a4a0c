import { askAgain } from './ask-again.js'

/** What `/readyz` says. */
export interface Readiness {
  status: string
  reasons: string[]
}

/** Whatever has an admin port. */
interface Watched {
  ports: { admin: number }
}

export async function readReadiness({ ports }: Watched): Promise<Readiness> {
  return (await (await fetch(`http://127.0.0.1:${ports.admin}/readyz`)).json()) as Readiness
}

/** Asks until the answer fits. Each reading is an answer of the broker. */
export async function readinessUntil(
  watched: Watched,
  fits: (readiness: Readiness) => boolean,
): Promise<Readiness> {
  for (;;) {
    const readiness = await readReadiness(watched)
    if (fits(readiness)) return readiness
    await askAgain()
  }
}

export const isReady = ({ status }: Readiness) => status === 'ready'

/** Resolves when the store takes writes and the journal is empty. */
export async function untilReady(watched: Watched): Promise<void> {
  await readinessUntil(watched, isReady)
}
