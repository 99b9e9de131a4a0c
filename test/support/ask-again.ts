import { setTimeout as pause } from 'node:timers/promises'

/** Between two questions about the same thing; without it the asking takes the processor from what is asked about. */
const ASK_AGAIN_MS = 10

/** Resolves when it is time to ask again. What ends the asking is an answer, never a number of questions. */
export const askAgain = () => pause(ASK_AGAIN_MS)
