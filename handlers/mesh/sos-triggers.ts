/** What makes a text or a sensor's message a call for help; an app may bring its own. */
export interface SosTriggers {
  /** A text that begins with one of them, as a whole word and in either case. */
  words: readonly string[]
  /** Names of detection sensors, in either case. */
  sensors: readonly string[]
}

export const SOS_TRIGGERS: SosTriggers = {
  words: ['SOS', '#SOS', '🆘'],
  sensors: ['SOS', 'PANIC', 'MANDOWN'],
}

/** Whether a text begins with a word that calls for help. What only looks like the word (`SOSO`) does not. */
export function isSosText(text: string, { words }: SosTriggers): boolean {
  const lower = trimText(text).toLowerCase()
  return words.some((word) => {
    const sought = word.toLowerCase()
    return (
      sought !== '' &&
      lower.startsWith(sought) &&
      !(isInWord(sought.at(-1)) && isInWord(lower.slice(sought.length)))
    )
  })
}

/**
 * Whether a detection sensor went off that means a call for help: `<name> detected`. Its regular `<name> state: 1`
 * never does.
 */
export function isSosSensor(text: string, { sensors }: SosTriggers): boolean {
  const match = /^(.*) detected$/is.exec(trimText(text))
  const name = match?.[1]?.trim().toLowerCase()
  return name !== undefined && sensors.some((sensor) => sensor.toLowerCase() === name)
}

/** Without space and without the bell (U+0007) that makes receivers ring, at either end. */
export function trimText(text: string): string {
  // oxlint-disable-next-line no-control-regex -- the bell is a control character
  return text.replace(/^[\s\0\u0007]+/, '').replace(/[\s\0\u0007]+$/, '')
}

function isInWord(text: string | undefined): boolean {
  return text !== undefined && /^[\p{L}\p{N}]/u.test(text)
}
