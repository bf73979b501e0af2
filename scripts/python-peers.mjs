/**
 * `npm run peers`: makes `.venv/paho1` and `.venv/paho2`, the two generations of paho-mqtt that the tests talk to.
 * Only what is missing, or was made from other requirements, is made.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { inRoot, main, run, Stop, say } from './lib/project.mjs'

await main(async () => {
  for (const name of ['paho1', 'paho2']) await makeEnvironment(name)
})

async function makeEnvironment(name) {
  const requirements = inRoot('__test__', 'interop', 'python', `requirements-${name}.txt`)
  const directory = inRoot('.venv', name)
  const python = inRoot('.venv', name, 'bin', 'python')
  const stamp = inRoot('.venv', name, 'requirements.txt')
  const wanted = readFileSync(requirements, 'utf8')
  if (textOf(stamp) === wanted && (await run(python, ['-c', 'import paho.mqtt.client'])) === 0) return

  say(`installing ${name} into .venv/${name}`)
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(inRoot('.venv'), { recursive: true })
  if ((await run('python3', ['-m', 'venv', directory])) !== 0) {
    throw new Stop([
      'Python cannot make a virtual environment.',
      '  Fix    : apt-get install python3 python3-venv',
    ])
  }
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]
  if ((await run(python, pip)) !== 0) throw new Stop([`pip could not install ${name}; it says why above.`])
  writeFileSync(stamp, wanted)
}

function textOf(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
