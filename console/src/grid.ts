import L from 'leaflet'

type Ring = [number, number][]
let land: Ring[] | undefined

/** Lines of latitude and longitude over a coarse outline of the world: a map where there is no internet. */
export async function createGrid(): Promise<L.GridLayer> {
  land ??= unpack((await (await fetch('./outline.json')).json()) as number[][])
  const Grid = L.GridLayer.extend({
    createTile(this: L.GridLayer, coordinates: L.Coords): HTMLElement {
      const tile = document.createElement('canvas')
      const size = this.getTileSize()
      tile.width = size.x
      tile.height = size.y
      const pen = tile.getContext('2d')
      if (pen) draw(pen, coordinates, size.x)
      return tile
    },
  }) as unknown as new (options: L.GridLayerOptions) => L.GridLayer
  return new Grid({ noWrap: false })
}

function draw(pen: CanvasRenderingContext2D, { x, y, z }: L.Coords, size: number): void {
  const style = getComputedStyle(document.documentElement)
  const colour = (name: string) => style.getPropertyValue(name).trim()
  const toX = (longitude: number) => ((longitude + 180) / 360) * 2 ** z * size - x * size
  const toY = (latitude: number) => L.CRS.EPSG3857.latLngToPoint(L.latLng(latitude, 0), z).y - y * size
  pen.fillStyle = colour('--sea')
  pen.fillRect(0, 0, size, size)
  // Closer than this the outline is kilometres wrong, and what is wrong is worse than nothing.
  if (z <= OUTLINE_ZOOM_MAX && land) {
    pen.fillStyle = colour('--land')
    pen.strokeStyle = colour('--coast')
    for (const ring of land) {
      pen.beginPath()
      for (const [longitude, latitude] of ring) pen.lineTo(toX(longitude), toY(Math.max(-85, latitude)))
      pen.closePath()
      pen.fill()
      pen.stroke()
    }
  }
  const step = STEPS.find((degrees) => (degrees / 360) * 2 ** z * size >= LINE_GAP) ?? 90
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9))
  const [west, east] = [x, x + 1].map((at) => (at / 2 ** z) * 360 - 180) as [number, number]
  const [north, south] = [y, y + 1].map(
    (at) => L.CRS.EPSG3857.pointToLatLng(L.point(0, at * size), z).lat,
  ) as [number, number]
  pen.strokeStyle = colour('--grid')
  pen.fillStyle = colour('--faint')
  pen.font = '11px system-ui, sans-serif'
  pen.beginPath()
  for (let i = Math.ceil(west / step); i * step < east; i++) {
    const at = Math.round(toX(i * step)) + 0.5
    pen.moveTo(at, 0)
    pen.lineTo(at, size)
    const label = `${(i * step).toFixed(digits)}°`
    const width = pen.measureText(label).width + 3
    pen.fillText(label, at + width > size ? at - width : at + 3, 11)
  }
  for (let i = Math.ceil(south / step); i * step < north; i++) {
    const at = Math.round(toY(i * step)) + 0.5
    pen.moveTo(0, at)
    pen.lineTo(size, at)
    pen.fillText(`${(i * step).toFixed(digits)}°`, 3, at < 24 ? at + 24 : at - 3)
  }
  pen.stroke()
}

/** From differences in tenths of a degree; see make-outline.mjs. */
function unpack(packed: number[][]): Ring[] {
  return packed.map((numbers) => {
    let [x, y] = [0, 0]
    const ring: Ring = []
    for (let i = 0; i < numbers.length; i += 2) {
      x += numbers[i] ?? 0
      y += numbers[i + 1] ?? 0
      ring.push([x / 10, y / 10])
    }
    return ring
  })
}

const STEPS = [
  0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 45, 90,
]
const LINE_GAP = 90
const OUTLINE_ZOOM_MAX = 9
