import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { createSecret, readAppsFile } from '../../auth/apps.js'
import { SECRETS_MAX } from '../../auth/app-limits.js'
import { readConfig } from '../config.js'
import { named } from '../setting-error.js'
import { editApps } from './apps-file.js'
import type { AppEntry } from './apps-file.js'
import { addCommand, addGroup, Failure, print, table } from './command.js'

interface Options {
  json?: boolean
  secretFile?: string
}

/** Edits the apps file; a running broker takes the change within a second. */
export function addApps(program: Command, environment: NodeJS.ProcessEnv): void {
  const apps = addGroup(program, 'apps', 'Apps and their secrets, in APPS_FILE')
  const file = () => readConfig(environment).appsFile

  addCommand(apps, 'list', 'Apps, how many secrets each has, and whether it is disabled', [
    'apps list',
  ]).action((options: Options) => {
    const all = [...named('APPS_FILE', () => readAppsFile(file())).values()].map(
      ({ appId, secrets, disabled }) => ({ appId, secrets: secrets.length, disabled }),
    )
    print(options, { apps: all }, () =>
      table(
        ['APP', 'SECRETS', 'STATE'],
        all.map(({ appId, secrets, disabled }) => [
          appId,
          secrets > 1 ? `${secrets} (rotating)` : `${secrets}`,
          disabled ? 'disabled' : 'enabled',
        ]),
      ),
    )
  })

  withSecret(
    addCommand(apps, 'add <appId>', 'Add an app; its secret is printed once', ['apps add my-app']),
  ).action(async (appId: string, options: Options) => {
    const secret = readSecret(options)
    await editApps(file(), (entries) => {
      if (entries.some((app) => app.appId === appId)) throw new Failure(`there is an app ${appId} already`)
      entries.push({ appId, secrets: [secret], disabled: false })
    })
    print(options, { appId, secret }, () => `added ${appId}; its secret, for your own server:\n${secret}`)
  })

  withSecret(
    addCommand(
      apps,
      'rotate <appId>',
      'First of three steps: add a second secret. Both are taken until remove-secret',
      [
        'apps rotate my-app',
        'apps remove-secret my-app --oldest   # when your server signs with the new one',
      ],
    ),
  ).action(async (appId: string, options: Options) => {
    const secret = readSecret(options)
    await editApps(file(), (entries) => {
      const app = find(entries, appId)
      if (app.secrets.length >= SECRETS_MAX)
        throw new Failure(
          `${appId} is rotating already: apps remove-secret ${appId} --oldest ends that first`,
        )
      if (app.secrets.includes(secret)) throw new Failure('that is the secret the app has')
      app.secrets.push(secret)
    })
    print(options, { appId, secret }, () =>
      [
        `${appId} takes both secrets now. The new one:`,
        secret,
        'Next: let your server sign with it. When no phone has an old hash any more:',
        `connect-broker apps remove-secret ${appId} --oldest`,
      ].join('\n'),
    )
  })

  addCommand(
    apps,
    'remove-secret <appId>',
    'Last of three steps: take one of two secrets out; its sessions end',
    ['apps remove-secret my-app --oldest', 'apps remove-secret my-app --newest   # go back'],
  )
    .option('--oldest', 'the one from before the rotation')
    .option('--newest', 'the one that the rotation added')
    .action(
      async (appId: string, options: Options & { oldest?: boolean; newest?: boolean }, command: Command) => {
        if (options.oldest === options.newest) command.error('error: give --oldest or --newest')
        await editApps(file(), (entries) => {
          const app = find(entries, appId)
          if (app.secrets.length < 2)
            throw new Failure(`${appId} has one secret; an app without any would let nobody in: apps disable`)
          if (options.oldest) app.secrets.shift()
          else app.secrets.pop()
        })
        print(options, { appId, secrets: 1 }, () => `${appId} has one secret now`)
      },
    )

  for (const [verb, disabled, about] of [
    ['disable', true, 'Refuse every user of an app and end their sessions; incidents stay'],
    ['enable', false, 'Let the users of an app in again'],
  ] as const) {
    addCommand(apps, `${verb} <appId>`, about, [`apps ${verb} my-app`]).action(
      async (appId: string, options: Options) => {
        await editApps(file(), (entries) => {
          find(entries, appId).disabled = disabled
        })
        print(options, { appId, disabled }, () => `${appId} is ${verb}d`)
      },
    )
  }
}

function withSecret(command: Command): Command {
  return command.option('--secret-file <file>', 'take the secret from a file, - for standard input')
}

/** 256 random bits unless one is given. */
function readSecret({ secretFile }: Options): string {
  if (secretFile === undefined) return createSecret()
  const secret = named('--secret-file', () =>
    readFileSync(secretFile === '-' ? 0 : secretFile, 'utf8').replace(/\r?\n$/, ''),
  )
  if (secret.length < SECRET_LENGTH_MIN)
    throw new Failure(`--secret-file: a secret has at least ${SECRET_LENGTH_MIN} characters`)
  return secret
}

function find(entries: AppEntry[], appId: string): AppEntry {
  const app = entries.find((entry) => entry.appId === appId)
  if (!app) throw new Failure(`no app ${appId}`)
  return app
}

/** As many letters as carry 128 bits in hexadecimal; a shorter one can be guessed from one signed session. */
const SECRET_LENGTH_MIN = 32
