import L from 'leaflet'
import 'leaflet/dist/leaflet.css'
import { useEffect, useRef } from 'preact/hooks'
import { createGrid } from './grid.js'
import { nameOf, personKey, personName, store } from './state.js'
import { say } from './text.js'
import { trails } from './trails.js'
import type { SessionInfo } from './wire.js'

/** Where everybody is. Drawn at most once in a quarter of a second, however much comes. */
export function MapPane() {
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const session = store.get().session as SessionInfo
    const gone = new AbortController()
    const map = L.map(box.current as HTMLElement, {
      center: [30, 0],
      zoom: 2,
      preferCanvas: true,
      worldCopyJump: true,
      zoomAnimation: false,
      maxZoom: 19,
    })
    map.attributionControl.setPrefix(false)
    L.control.scale({ imperial: false }).addTo(map)
    if (session.tiles) {
      // Leaflet takes it for HTML.
      const attribution = session.tiles.attribution.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`)
      L.tileLayer(session.tiles.url, { attribution, maxZoom: 19 }).addTo(map)
    } else
      void createGrid().then((grid) => {
        grid.addTo(map)
        dark.addEventListener('change', () => grid.redraw(), { signal: gone.signal })
      })
    const stop = show(map)
    const observer = new ResizeObserver(() => map.invalidateSize())
    observer.observe(box.current as HTMLElement)
    return () => {
      observer.disconnect()
      gone.abort()
      stop()
      map.remove()
    }
  }, [])
  return <div class="map" ref={box} role="region" aria-label={say('map')} />
}

function show(map: L.Map): () => void {
  const dots = new Map<string, L.CircleMarker>()
  const accuracy = L.circle([0, 0], {
    radius: 1,
    weight: 1,
    color: '#b3161b',
    fillOpacity: 0.1,
    interactive: false,
  })
  const trail = L.polyline([], { color: '#d1363b', weight: 3, opacity: 0.7, interactive: false })
  // Which of many red dots is the one whose story is shown.
  const ring = L.circleMarker([0, 0], { radius: 15, weight: 3, fill: false, interactive: false })
  const ringName = document.createElement('span')
  ring.bindTooltip(ringName, { permanent: true, direction: 'right', offset: [14, 0] })
  let focus: object | null = null
  let hasFitted = false
  const partsNow = () => {
    const { incidents, people, selected, focus: wanted } = store.get()
    return [incidents, people, selected, wanted]
  }
  let drawn: unknown[] = []

  function put(
    key: string,
    at: L.LatLngTuple,
    isSos: boolean,
    isActive: boolean,
    name: string,
    click: () => void,
  ) {
    const look = isSos
      ? { radius: 9, color: '#fff', weight: 2, fillColor: isActive ? '#d11a20' : '#b26a00', fillOpacity: 1 }
      : { radius: 5, color: '#fff', weight: 1, fillColor: '#2563a8', fillOpacity: 0.9 }
    const known = dots.get(key)
    if (known) {
      // Whatever is touched is painted again, and a thousand dots take as long as four frames.
      const { lat, lng } = known.getLatLng()
      if (lat !== at[0] || lng !== at[1]) known.setLatLng(at)
      if (known.options.fillColor !== look.fillColor) known.setStyle(look)
      return
    }
    const label = document.createElement('span')
    label.textContent = name // a name is anybody's text and no HTML
    dots.set(key, L.circleMarker(at, look).bindTooltip(label).on('click', click).addTo(map))
  }

  function draw(): void {
    drawn = partsNow()
    const { incidents, people, selected, focus: wanted } = store.get()
    const seen = new Set<string>()
    const sosOf = new Set<string>()
    for (const incident of incidents.values()) {
      if (!incident.place) continue
      sosOf.add(personKey(incident.appId, incident.person.userId))
      seen.add(incident.id)
      const { appId, id, place } = incident
      put(
        incident.id,
        [place.latitude, place.longitude],
        true,
        incident.status === 'active',
        nameOf(incident),
        () => store.set({ view: 'incidents', selected: { appId, id } }),
      )
    }
    for (const [key, { place, person }] of people) {
      if (!place || sosOf.has(key)) continue
      seen.add(key)
      put(key, [place.latitude, place.longitude], false, false, personName(person), () => {})
    }
    for (const [key, dot] of dots) {
      if (seen.has(key)) continue
      dot.remove()
      dots.delete(key)
    }
    const { id, dots: way } = trails.get()
    const shown = selected ? incidents.get(selected.id) : undefined
    if (selected && id === selected.id && way.length > 0) {
      trail.setLatLngs(way.map(({ latitude, longitude }) => [latitude, longitude])).addTo(map)
      trail.bringToBack()
    } else trail.remove()
    if (shown?.place?.accuracy !== undefined)
      accuracy
        .setLatLng([shown.place.latitude, shown.place.longitude])
        .setRadius(shown.place.accuracy)
        .addTo(map)
    else accuracy.remove()
    if (shown?.place) {
      ringName.textContent = nameOf(shown)
      const color = getComputedStyle(map.getContainer()).color
      ring.setStyle({ color }).setLatLng([shown.place.latitude, shown.place.longitude]).addTo(map)
    } else ring.remove()
    if (wanted && wanted !== focus) {
      map.setView([wanted.latitude, wanted.longitude], Math.max(map.getZoom(), 13))
      hasFitted = true
    } else if (!hasFitted && dots.size > 0) {
      hasFitted = true
      map.fitBounds(L.latLngBounds([...dots.values()].map((dot) => dot.getLatLng())), {
        maxZoom: 12,
        padding: [30, 30],
      })
    }
    focus = wanted
    // For whoever looks from outside: what is on the canvas cannot be read from the page.
    const data = map.getContainer().dataset
    data.dots = String(dots.size)
    data.trail = String(selected && id === selected.id ? way.length : 0)
    data.at = shown?.place ? `${shown.place.latitude},${shown.place.longitude}` : ''
  }

  let timer: number | undefined
  const soon = () => {
    timer ??= window.setTimeout(() => {
      timer = undefined
      draw()
    }, 250)
  }
  draw()
  const soonIfChanged = () => {
    if (partsNow().some((part, i) => part !== drawn[i])) soon()
  }
  dark.addEventListener('change', soon)
  const stops = [
    store.subscribe(soonIfChanged),
    trails.subscribe(soon),
    () => dark.removeEventListener('change', soon),
  ]
  return () => {
    clearTimeout(timer)
    for (const stop of stops) stop()
  }
}

/** What is painted keeps the colours of the moment. */
const dark = matchMedia('(prefers-color-scheme: dark)')
