export {
  macOf,
  meshMacOfBluetooth,
  nodeIdOf,
  nodeNumberOfKey,
  nodeNumberOfMac,
  PUBLIC_KEY_BYTES,
  readNodeId,
} from '../../store/node-ids.js'
