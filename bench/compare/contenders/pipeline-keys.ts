/** Of the pipeline's Redis. */
export const TELEMETRY_STREAM = 'telemetry'
export const EVENTS_STREAM = 'events'
export const POSITIONS = 'positions'
export const OPEN_INCIDENTS = 'open-incidents'
