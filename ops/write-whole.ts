import { rename, writeFile } from 'node:fs/promises'

/** Writes a file that only its owner reads: whoever opens it sees the old text or the new one, and no part of either. */
export async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await rename(`${file}.new`, file)
}
