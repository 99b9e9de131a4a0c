import { z } from 'zod'

/** A string field of at most this many characters, without control characters. */
export function text(lengthMax: number) {
  return z
    .string('is a string')
    .max(lengthMax, `has at most ${lengthMax} characters`)
    .regex(/^[^\p{Cc}]*$/u, 'holds a control character')
}

/** '' where a client may send null or nothing. */
export function optionalText(lengthMax: number) {
  return text(lengthMax)
    .nullish()
    .transform((value) => value ?? '')
}

/** E.164, or '' for none. */
export const E164 = /^(\+[1-9]\d{1,14})?$/

/** `?cursor=` asks for no cursor. */
function emptyIsNone(value: unknown): unknown {
  return value === '' ? undefined : value
}

/** How many entries a page has, and where it goes on. */
export const pageQuery = z.object({
  limit: z.preprocess(
    emptyIsNone,
    z.coerce.number('is a number').int().min(1).max(50, 'is at most 50').default(20),
  ),
  cursor: z.preprocess(emptyIsNone, z.string().max(128).optional()),
})

export const pagination = z.object({ next_cursor: z.string().nullable(), has_more: z.boolean() })

export function paginate(nextCursor: string | null): z.infer<typeof pagination> {
  return { next_cursor: nextCursor, has_more: nextCursor !== null }
}
