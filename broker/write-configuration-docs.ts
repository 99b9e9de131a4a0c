import { writeFileSync } from 'node:fs'
import { renderConfigurationDocs } from './configuration-docs.js'

writeFileSync('docs/configuration.md', renderConfigurationDocs())
