/**
 * Waits until all these writes are durable.
 *
 * @throws when one of them could not be committed. lmdb then also rejects a promise of its own, which only its
 * error knows; unobserved it would end the process.
 */
export async function durable<Results extends unknown[]>(
  ...writes: Results
): Promise<{ [K in keyof Results]: Awaited<Results[K]> }> {
  try {
    return await Promise.all(writes)
  } catch (error) {
    const { commitError } = error as { commitError?: Promise<unknown> }
    const cause = await commitError?.catch((reason: unknown) => reason)
    throw cause instanceof Error ? cause : error
  }
}
