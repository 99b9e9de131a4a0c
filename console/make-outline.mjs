// Makes console/public/outline.json from Natural Earth's land at 1:110 million (public domain), as the npm package
// world-atlas has it: `npm pack world-atlas && tar xzf world-atlas-*.tgz`, then
// `node console/make-outline.mjs package/land-110m.json`. Rings of [longitude, latitude] in tenths of a degree, each
// as differences from the point before.
import { readFileSync, writeFileSync } from 'node:fs'

const topology = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const { scale, translate } = topology.transform
const arcs = topology.arcs.map((arc) => {
  let x = 0
  let y = 0
  return arc.map(([dx, dy]) => {
    x += dx
    y += dy
    return [x * scale[0] + translate[0], y * scale[1] + translate[1]]
  })
})
const arcOf = (index) => (index >= 0 ? arcs[index] : arcs[~index].toReversed())
const polygons = topology.objects.land.geometries.flatMap(({ type, arcs }) =>
  type === 'Polygon' ? [arcs] : arcs,
)
const rings = polygons.flat().map((ring) => ring.flatMap((index, i) => arcOf(index).slice(i === 0 ? 0 : 1)))
const coarse = rings
  .map((ring) => {
    const points = ring.map(([longitude, latitude]) => [
      Math.round(longitude * 10),
      Math.round(latitude * 10),
    ])
    return points.filter(([x, y], i) => i === 0 || x !== points[i - 1][0] || y !== points[i - 1][1])
  })
  .filter((ring) => ring.length > 3)
const packed = coarse.map((ring) =>
  ring.flatMap(([x, y], i) => (i === 0 ? [x, y] : [x - ring[i - 1][0], y - ring[i - 1][1]])),
)
const file = new URL('public/outline.json', import.meta.url)
writeFileSync(file, `${JSON.stringify(packed)}\n`)
process.stdout.write(
  `${coarse.length} rings, ${coarse.flat().length} points, ${JSON.stringify(packed).length} bytes\n`,
)
