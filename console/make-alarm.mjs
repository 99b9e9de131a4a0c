// Makes console/public/alarm.wav: two tones, twice, and a pause; 8 kHz, 8 bit, so that it weighs little and sounds the
// same everywhere. `node console/make-alarm.mjs`.
import { writeFileSync } from 'node:fs'

const RATE = 8_000
const TONES = [
  [880, 0.18],
  [1_175, 0.18],
  [880, 0.18],
  [1_175, 0.18],
  [0, 0.5],
]
const samples = TONES.flatMap(([hertz, seconds]) => {
  const count = Math.round(RATE * seconds)
  return Array.from({ length: count }, (_, i) => {
    const fade = Math.min(1, i / 80, (count - i) / 80) // no click at either end
    return Math.round(128 + (hertz === 0 ? 0 : 110 * fade * Math.sin((2 * Math.PI * hertz * i) / RATE)))
  })
})
const header = Buffer.alloc(44)
header.write('RIFF', 0)
header.writeUInt32LE(36 + samples.length, 4)
header.write('WAVEfmt ', 8)
header.writeUInt32LE(16, 16)
header.writeUInt16LE(1, 20) // PCM
header.writeUInt16LE(1, 22) // one channel
header.writeUInt32LE(RATE, 24)
header.writeUInt32LE(RATE, 28)
header.writeUInt16LE(1, 32)
header.writeUInt16LE(8, 34)
header.write('data', 36)
header.writeUInt32LE(samples.length, 40)
writeFileSync(new URL('public/alarm.wav', import.meta.url), Buffer.concat([header, Buffer.from(samples)]))
