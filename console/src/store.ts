import { useEffect, useReducer, useRef } from 'preact/hooks'

/** One value that the whole page shows; whoever shows a part of it is drawn again when that part is another one. */
export interface Store<State> {
  get(): State
  set(change: Partial<State>): void
  subscribe(onChange: () => void): () => void
}

export function createStore<State extends object>(initial: State): Store<State> {
  let state = initial
  const listeners = new Set<() => void>()
  return {
    get: () => state,
    set(change) {
      state = { ...state, ...change }
      listeners.forEach((onChange) => onChange())
    },
    subscribe(onChange) {
      listeners.add(onChange)
      return () => void listeners.delete(onChange)
    },
  }
}

export function useStore<State extends object, Part>(
  store: Store<State>,
  pick: (state: State) => Part,
): Part {
  const [, draw] = useReducer((count: number) => count + 1, 0)
  const part = pick(store.get())
  const shown = useRef(part)
  const picker = useRef(pick)
  shown.current = part
  picker.current = pick
  useEffect(() => {
    const look = () => {
      if (picker.current(store.get()) !== shown.current) draw(0)
    }
    look() // what changed between drawing and now
    return store.subscribe(look)
  }, [store])
  return part
}

/** The time, again every `ms`. */
export function useNow(ms: number): number {
  const [, draw] = useReducer((count: number) => count + 1, 0)
  useEffect(() => {
    const timer = setInterval(() => draw(0), ms)
    return () => clearInterval(timer)
  }, [ms])
  return Date.now()
}
