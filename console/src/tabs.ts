/**
 * A browser opens six connections to a host, whatever the number of its tabs, and each tab that follows what happens keeps
 * one. With six of them nothing more can be asked for, in no tab: an acknowledgement would never leave.
 */
const channel = new BroadcastChannel('connect-console')
const self = crypto.getRandomValues(new Uint32Array(2)).join('-')
let others = new Set<string>()

interface Word {
  /** Who asks, or whose question is answered. */
  to: string
  /** Who answers. */
  from?: string
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel reaches its own origin alone
const tell = (word: Word) => channel.postMessage(word)

/** From now on other tabs are told while this one follows. */
export function answerTabs(isFollowing: () => boolean): void {
  channel.addEventListener('message', ({ data }: MessageEvent<Word>) => {
    if (data.from === undefined && isFollowing()) tell({ to: data.to, from: self })
    else if (data.from !== undefined && data.to === self) others.add(data.from)
  })
}

export async function areTooMany(): Promise<boolean> {
  others = new Set()
  tell({ to: self })
  await new Promise((resolve) => setTimeout(resolve, ANSWER_MS))
  return others.size >= FOLLOWING_MAX
}

const ANSWER_MS = 200
/** Two connections stay for what tabs ask for. */
const FOLLOWING_MAX = 4
