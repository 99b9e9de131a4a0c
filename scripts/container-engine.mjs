// docker, podman and buildah behind the few calls that scripts/container.mjs needs.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, chownSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'

const words = (text = '') => text.split(/\s+/).filter((word) => word !== '')

/**
 * The engine to use: CONTAINER_TOOL (a command, with arguments of its own if it needs some), else the first of docker,
 * podman and buildah that answers; null when there is none.
 */
export function findEngine(env) {
  const asked = words(env.CONTAINER_TOOL)
  const candidates = asked.length > 0 ? [asked] : [['docker'], ['podman'], ['buildah']]
  // `info` needs the daemon too: a docker client alone builds nothing.
  const command = candidates.find(([program, ...args]) => spawnSync(program, [...args, 'info']).status === 0)
  if (!command) return null
  const name = basename(command[0])
  const options = {
    command,
    build: env.CONTAINER_BUILD,
    buildArgs: words(env.CONTAINER_BUILD_ARGS),
    runArgs: words(env.CONTAINER_RUN_ARGS),
  }
  const engine = name === 'buildah' ? buildahEngine(options) : dockerEngine(name, options)
  return { ...engine, name, build: (directory, tag, args) => build(name, options, directory, tag, args) }
}

/** CONTAINER_BUILD is called with the directory and the tag instead of the engine's own build. */
async function build(name, { command, build, buildArgs }, directory, tag, buildArguments) {
  const set = Object.entries(buildArguments).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`])
  const kind = {
    buildah: ['bud', '--layers', '--format', 'docker'],
    podman: ['build', '--format', 'docker'],
  }[name] ?? ['build']
  const [program, ...args] = build
    ? ['sh', '-c', `${build} "$0" "$1"`, directory, tag]
    : [...command, ...kind, ...buildArgs, ...set, '-t', tag, directory]
  const child = spawn(program, args, { stdio: ['ignore', 2, 2] })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`the build ended with exit code ${code}; its messages are above`)
}

/** Runs a command to its end; its standard output without the last line break. */
function run([program, ...args], mayFail = false) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (error) throw error
  if (status !== 0 && !mayFail) throw new Error(`${program} ${args.join(' ')}: ${stderr.trim()}`)
  return { status, stdout: stdout.trim(), stderr: stderr.trim() }
}

function dockerEngine(name, { command, runArgs }) {
  const engine = (...args) => run([...command, ...args]).stdout
  return {
    isIsolated: true,
    dataDir: '/data',
    sizeOf: (tag) => Number(engine('image', 'inspect', '--format', '{{.Size}}', tag)),
    createVolume(volume) {
      engine('volume', 'create', volume)
      return { name: volume, remove: () => engine('volume', 'rm', volume) }
    },
    start({ tag, volume, ports, env }) {
      const locked = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges']
      const published = ports.flatMap((port) => ['--publish', `127.0.0.1:${port}:${port}`])
      const settings = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`])
      const mount = ['--volume', `${volume.name}:/data`]
      const id = engine('run', '--detach', ...locked, ...published, ...mount, ...settings, ...runArgs, tag)
      const waiting = spawn(command[0], [...command.slice(1), 'wait', id], { stdio: ['ignore', 'pipe', 2] })
      const exited = new Promise((resolve) =>
        createInterface({ input: waiting.stdout }).once('line', (line) => resolve(Number(line))),
      )
      const exec = (...args) => run([...command, 'exec', id, ...args], true)
      return {
        exec,
        isHealthy() {
          const status = engine(
            'inspect',
            '--format',
            '{{if .State.Health}}{{.State.Health.Status}}{{end}}',
            id,
          )
          if (status === '') return { by: HEALTH_PROGRAM, is: exec(...HEALTH_CHECK).status === 0 }
          // podman leaves the schedule to systemd, which may not be there; asked to, it runs the check itself.
          if (name === 'podman')
            return { by: 'podman', is: run([...command, 'healthcheck', 'run', id], true).status === 0 }
          return { by: name, is: status === 'healthy' }
        },
        signal: (signal) => engine('kill', '--signal', signal, id),
        exited,
        log: () => {
          const { stdout, stderr } = run([...command, 'logs', id], true)
          return stdout + stderr
        },
        remove: () => engine('rm', '--force', id),
      }
    },
  }
}

/** buildah is for building: no process space of its own and no read-only root, but the image's files and user. */
function buildahEngine({ command, runArgs }) {
  const engine = (...args) => run([...command, ...args]).stdout
  return {
    isIsolated: false,
    // buildah puts the image's own VOLUME over whatever is mounted on /data.
    dataDir: '/volume',
    sizeOf: (tag) => engine('images', '--format', '{{.Size}}', tag),
    createVolume(volume) {
      const directory = mkdtempSync(join(tmpdir(), `${volume}-`))
      chownSync(directory, 1000, 1000)
      return { name: directory, remove: () => rmSync(directory, { recursive: true, force: true }) }
    },
    start({ tag, volume, env }) {
      const id = engine('from', tag)
      const all = { ...env, DATA_DIR: '/volume' }
      const settings = Object.entries(all).flatMap(([key, value]) => ['--env', `${key}=${value}`])
      const locked = ['--isolation', 'chroot', '--cap-drop', 'ALL', '--volume', `${volume.name}:/volume`]
      const inside = [...command, 'run', ...locked, ...settings, ...runArgs, id, '--']
      // buildah passes no signal on; without a process space of its own the shell's number is the broker's.
      const program = [...inside, 'sh', '-c', 'echo "pid $$"; exec node dist/broker/main.js']
      const child = spawn(program[0], program.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
      let log = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += chunk))
      const exec = (...args) => run([...inside, ...args], true)
      return {
        exec,
        isHealthy: () => ({ by: HEALTH_PROGRAM, is: exec(...HEALTH_CHECK).status === 0 }),
        signal: (signal) => process.kill(brokerProcess(log), signal),
        exited: once(child, 'close').then(([code]) => code),
        log: () => log,
        remove() {
          if (child.exitCode === null) process.kill(brokerProcess(log), 'SIGKILL')
          engine('rm', id)
        },
      }
    },
  }
}

function brokerProcess(log) {
  const pid = Number(/^pid (\d+)$/m.exec(log)?.[1])
  if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('dist/broker/main.js'))
    throw new Error('the broker does not run')
  return pid
}

/** What the Dockerfile's HEALTHCHECK runs. */
const HEALTH_CHECK = ['node', 'dist/broker/healthcheck.js']
const HEALTH_PROGRAM = 'the health check by hand, because this engine runs none'
