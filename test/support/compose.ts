import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { root } from './broker.js'

export interface ComposeService {
  image?: string
  build?: string
  extends?: { file: string; service: string }
  user?: string
  command?: string[]
  environment?: Record<string, string>
  secrets?: string[]
  volumes?: string[]
  ports?: string[]
  networks?: { default: { ipv4_address: string } }
  healthcheck?: { test: string[] }
  restart?: string
  stop_grace_period?: string
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
}

export interface ComposeFile {
  services: Record<string, ComposeService>
  volumes: Record<string, unknown>
  secrets: Record<string, { file: string }>
}

/** A compose file of the project, with anchors merged and services that extend one of another file put in its place. */
export function readCompose(name: string): ComposeFile {
  const file = parse(readFileSync(join(root, name), 'utf8'), { merge: true }) as ComposeFile
  for (const [service, definition] of Object.entries(file.services)) {
    if (!definition.extends) continue
    const base = readCompose(definition.extends.file).services[definition.extends.service]
    file.services[service] = { ...base, ...definition }
  }
  return file
}

export const isBroker = ({ image }: ComposeService) => image === 'connect-broker'
