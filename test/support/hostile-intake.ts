import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { MeshIntake } from '../../handlers/mesh/mesh-intake.js'
import { Random } from './fuzz-packets.js'
import { hostileCase } from './hostile-mesh.js'
import { NOW } from './mesh-reading.js'

/** Plays random and mutated publications of five gateways, 50 a second of the mesh's time. @throws what the intake throws. */
export async function playHostile(intake: MeshIntake, cases: number, seed: number): Promise<void> {
  for (let i = 0; i < cases; i += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, cases - i) }, (_, k) => i + k)
    await Promise.all(
      some.map((n) => {
        const { topic, payload } = hostileCase(new Random(seed + n))
        return intake.take({ appId: 'demo-app', gatewayId: `gw-${n % 5}` }, topic, payload, NOW + n * 20)
      }),
    )
  }
}

export function createHeapReader(): () => number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  return () => {
    collect()
    return process.memoryUsage().heapUsed
  }
}

const AT_ONCE = 50
