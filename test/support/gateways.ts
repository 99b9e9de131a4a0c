import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { IConnectPacket, ISubscription } from 'mqtt-packet'
import type { Test } from 'tap'
import { APPS, backendOf } from './api.js'
import { temporaryDirectory } from './broker.js'
import type { Broker } from './broker.js'
import { connectRaw } from './raw-client.js'
import type { RawClient } from './raw-client.js'

/** APPS, the first with a mesh of the default channel whose wearables send EIXAM packets on ports 256 and 257. */
export const MESH_APPS = [
  {
    ...APPS[0],
    mesh: { channels: [{ name: 'LongFast', key: 'AQ==' }], ports: { 256: 'sos', 257: 'tel' } },
  },
  APPS[1],
]

/** Path of an apps file with these apps. */
export function writeMeshApps(t: Test, apps: object[] = MESH_APPS as object[]): string {
  const file = join(temporaryDirectory(t), 'apps.json')
  writeFileSync(file, JSON.stringify({ apps }))
  return file
}

export interface GatewayCredentials {
  username: string
  password: string
}

/** Has the backend make a gateway. */
export async function makeGateway(
  broker: Broker,
  gatewayId: string,
  appId = 'app-a',
  secret?: string,
): Promise<GatewayCredentials> {
  const { status, text } = await backendOf(broker, appId, secret).post('/gateways', { gatewayId })
  if (status !== 201) throw new Error(`no gateway made: ${status} ${text}`)
  const { gateway, token } = JSON.parse(text) as { gateway: { username: string }; token: string }
  return { username: gateway.username, password: token }
}

export interface GatewayKind {
  title: string
  connect: Partial<IConnectPacket> & { protocolVersion: 3 | 4 | 5; clientId: string; keepalive: number }
  /** What it asks for right after its CONNACK. */
  subscriptions: ISubscription[]
  qos: 0 | 1
  isRetained?: boolean
}

const ANDROID_ID = 'MeshtasticAndroidMqttProxy-!a1b2c3d4-0f8fad5b-d9cb-469f-a165-70867728950e'
const APPLE_ID = 'MeshtasticAppleMqttProxy-!a1b2c3d4-0F8FAD5B-D9CB-469F-A165-70867728950E'
const ROOT = 'msh/EU_868'

/** How each kind of gateway comes, as it was read from its sources. */
export const NODE: GatewayKind = {
  title: 'a node itself, firmware from 2.4.1',
  connect: { protocolVersion: 4, clientId: '!a1b2c3d4', keepalive: 15 },
  subscriptions: [`${ROOT}/2/e/LongFast/+`, `${ROOT}/2/json/LongFast/+`, `${ROOT}/2/e/PKI/+`].map(atQos1),
  qos: 0,
}
export const OLD_NODE: GatewayKind = {
  title: 'a node itself, firmware before 2.4.1',
  connect: {
    protocolVersion: 4,
    clientId: '!a1b2c3d4',
    keepalive: 15,
    will: { topic: `${ROOT}/2/stat/!a1b2c3d4`, payload: Buffer.from('offline'), qos: 1, retain: true },
  },
  subscriptions: [`${ROOT}/2/c/LongFast/#`].map(atQos1),
  qos: 0,
}
export const ANDROID: GatewayKind = {
  title: 'an Android phone that stands in for a node',
  connect: { protocolVersion: 5, clientId: ANDROID_ID, keepalive: 30 },
  subscriptions: [{ topic: `${ROOT}/2/e/PKI/+`, qos: 1, nl: true }],
  qos: 1,
}
export const APPLE: GatewayKind = {
  title: 'an iPhone that stands in for a node',
  connect: {
    protocolVersion: 4,
    clientId: APPLE_ID,
    keepalive: 60,
    will: { topic: '/will', payload: Buffer.from('dieout'), qos: 1, retain: false },
  },
  subscriptions: [`${ROOT}/2/e/PKI/+`].map(atQos1),
  qos: 1,
}
export const BRIDGE: GatewayKind = {
  title: 'a local Mosquitto that bridges to us',
  connect: {
    protocolVersion: 4,
    bridgeMode: true,
    clientId: 'hut.to-rescue',
    keepalive: 60,
    will: {
      topic: '$SYS/broker/connection/hut.to-rescue/state',
      payload: Buffer.from('0'),
      qos: 1,
      retain: true,
    },
  } as GatewayKind['connect'],
  subscriptions: [],
  qos: 1,
  isRetained: true,
}
export const PYTHON: GatewayKind = {
  title: 'a Python program that leaves its identifier to us',
  connect: { protocolVersion: 4, clientId: '', keepalive: 60 },
  subscriptions: [],
  qos: 0,
}
export const KINDS = [NODE, OLD_NODE, ANDROID, APPLE, BRIDGE, PYTHON]

function atQos1(topic: string): ISubscription {
  return { topic, qos: 1 }
}

export interface GatewayClient {
  raw: RawClient
  /** Sends and does not wait. */
  send(topic: string, payload: Buffer | string, options?: { qos?: 0 | 1 | 2; retain?: boolean }): number
  /** At QoS 1: resolves with the reason code of the PUBACK, 0 in 3.1.1. */
  publish(topic: string, payload: Buffer | string, options?: { retain?: boolean }): Promise<number>
  subscribe(...subscriptions: (ISubscription | string)[]): Promise<number[]>
  /** Resolves when the broker has answered a PINGREQ: then the connection is open. */
  ping(): Promise<void>
}

/** Connects as this kind of gateway does, and asks for what it asks for. */
export async function connectGateway(
  t: Test,
  broker: Broker,
  { username, password }: GatewayCredentials,
  kind: GatewayKind = NODE,
): Promise<GatewayClient> {
  const raw = await connectRaw(t, broker.ports.mqtt, kind.connect.protocolVersion)
  raw.sendPacket({
    cmd: 'connect',
    protocolId: 'MQTT',
    clean: true,
    username,
    password: Buffer.from(password),
    ...kind.connect,
  } as IConnectPacket)
  const connack = await raw.nextOf('connack')
  if ((connack.reasonCode ?? connack.returnCode) !== 0) throw new Error(`CONNACK ${JSON.stringify(connack)}`)
  let messageId = 0
  const client: GatewayClient = {
    raw,
    send(topic, payload, { qos = kind.qos, retain = kind.isRetained ?? false } = {}) {
      const id = qos > 0 ? ++messageId : undefined
      raw.sendPacket({
        cmd: 'publish',
        topic,
        payload,
        qos,
        retain,
        dup: false,
        ...(id === undefined ? {} : { messageId: id }),
      })
      return id ?? 0
    },
    async publish(topic, payload, options = {}) {
      const id = client.send(topic, payload, { ...options, qos: 1 })
      const puback = await raw.nextOf('puback')
      if (puback.messageId !== id) throw new Error(`PUBACK ${puback.messageId} for ${id}`)
      return puback.reasonCode ?? 0
    },
    async subscribe(...subscriptions) {
      const all = subscriptions.map((one) => (typeof one === 'string' ? atQos1(one) : one))
      raw.sendPacket({ cmd: 'subscribe', messageId: ++messageId, subscriptions: all })
      return (await raw.nextOf('suback')).granted as number[]
    },
    async ping() {
      raw.sendPacket({ cmd: 'pingreq' })
      await raw.nextOf('pingresp')
    },
  }
  for (const subscription of kind.subscriptions) await client.subscribe(subscription)
  return client
}
