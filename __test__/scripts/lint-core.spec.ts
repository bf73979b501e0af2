import { expect, it } from 'vitest'

const { usesOfStd } = await import(new URL('../../scripts/lint-core.mjs', import.meta.url).href)

it.each([
  ['a path', 'let now = std::time::Instant::now();', ['time']],
  ['a path from the root', 'let handle = ::std::thread::spawn(f);', ['thread']],
  ['a path over two lines', 'use std::\n    fs::File;', ['fs']],
  ['a group', 'use std::{fmt, net::{IpAddr, Ipv4Addr}, env};', ['net', 'env']],
  [
    'a name of a nested group that only looks like a module',
    'use std::{collections::{hash_map, time}, mem};',
    [],
  ],
  ['core’s Duration', 'use core::time::Duration;', []],
  ['a comment', '// std::time would be wrong here\n/* std::fs */', []],
  ['a module of our own', 'use crate::std_names::time;', []],
])('%s', (_, source, expected) => {
  expect(usesOfStd(source).map(({ module }: { module: string }) => module)).toEqual(expected)
})

it('says the line', () => {
  expect(usesOfStd('/* one\ntwo */\nuse std::fs;')).toEqual([{ line: 3, module: 'fs' }])
})
