import { z } from 'zod'

/** A person or a shift at the live page, who may see several apps; from the setting CONSOLE_TOKENS. */
export interface Operator {
  /** Stands in the story of every incident that he changes. */
  name: string
  token: string
  /** App ids; `*` alone is every app. */
  apps: string[]
}

/** 32 characters of Base64 are 192 bits. */
const TOKEN_LENGTH_MIN = 32

const operator = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[^\p{Cc}]+$/u, 'a name holds no control character'),
  // Whoever has a session cookie could try tokens against it as fast as he can compute.
  token: z.string().min(TOKEN_LENGTH_MIN, `a token has at least ${TOKEN_LENGTH_MIN} characters`).max(512),
  apps: z.array(z.string().min(1)).min(1),
})

/** The value of CONSOLE_TOKENS: a JSON list. No message repeats a token. */
export const operatorList = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text)
    } catch {
      context.addIssue({ code: 'custom', message: 'is a JSON list of {"name","token","apps"}' })
      return z.NEVER
    }
  })
  .pipe(
    z
      .array(operator)
      .max(1_000)
      .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'a name stands twice')
      .refine((all) => new Set(all.map(({ token }) => token)).size === all.length, 'a token stands twice'),
  )
