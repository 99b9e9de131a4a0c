export type * from '../../http/console/wire.js'
