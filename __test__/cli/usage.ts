/** Runs a sub-command in this process, as far as its mistakes. */
import { commands, runCommand } from '../../src/cli/commands.js'
import { report } from '../../src/cli/lib/exit.js'

/** What a command says of wrong flags, and its exit code. */
export async function usage(
  name: string,
  args: readonly string[],
): Promise<{ exitCode: number | undefined; out: string; error: string }> {
  const entry = commands.find((command) => command.name === name)
  if (entry === undefined) throw new Error(`there is no command ${name}`)
  let out = ''
  let error = ''
  const io = {
    out: (text: string) => {
      out += text
    },
    error: (text: string) => {
      error += text
    },
  }
  const exitCode = await runCommand(entry, args, io).catch((thrown: unknown) => report(thrown, io))
  return { exitCode, out, error }
}
