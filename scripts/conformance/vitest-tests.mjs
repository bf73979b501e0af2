/** Finds the tests in the specs of `__test__/`, by TypeScript's own parser. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { citedKeys } from './citations.mjs'
import { isNamedIn } from './packets.mjs'

/** @returns {import('./tests.mjs').Test[]} */
export function readVitestTests(root) {
  const names = readdirSync(join(root, '__test__'), { recursive: true })
  const files = names.map((name) => `__test__/${name.replaceAll('\\', '/')}`)
  return files
    .filter((file) => file.endsWith('.spec.ts'))
    .sort()
    .flatMap((file) =>
      vitestTestsIn(readFileSync(join(root, file), 'utf8')).map(({ name, suites, source }) => ({
        file,
        name,
        kind: 'vitest',
        cites: citedKeys(source),
        isWhole: false,
        // The convention: who runs once for each transport says so with `over %s`, in the title or around it.
        onWire: /\bover %s/.test([...suites, name].join(' ')),
        forClient: file.startsWith('__test__/client'),
        touches: (kind) => isNamedIn(kind, source),
      })),
    )
}

/** Each `it` and `it.each`, with its title as it is written and the comment above it. */
export function vitestTestsIn(text) {
  const file = ts.createSourceFile('spec.ts', text, ts.ScriptTarget.Latest, true)
  const tests = []
  const visit = (node, suites) => {
    const call = titledCall(node)
    if (call !== undefined && call.kind !== 'describe') {
      // The comment belongs to the statement.
      const source = (ts.isExpressionStatement(node.parent) ? node.parent : node).getFullText(file)
      tests.push({ name: call.title, suites, source })
      return
    }
    const inner = call === undefined ? suites : [...suites, call.title]
    ts.forEachChild(node, (child) => visit(child, inner))
  }
  visit(file, [])
  return tests
}

/** `it('title', …)`, `it.skip('title', …)`, `it.each([…])('title', …)`, and the same of `test` and `describe`. */
function titledCall(node) {
  if (!ts.isCallExpression(node)) return undefined
  const [title] = node.arguments
  if (title === undefined || !ts.isStringLiteralLike(title)) return undefined
  let callee = node.expression
  while (ts.isPropertyAccessExpression(callee) || ts.isCallExpression(callee)) callee = callee.expression
  const isTest = ts.isIdentifier(callee) && ['it', 'test', 'describe'].includes(callee.text)
  return isTest ? { kind: callee.text, title: title.text } : undefined
}
